"""`truelike replay FILE`: a file's likes to `likes.v1`, as fast as asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from services.replay.files import read_events
from shared import kafka
from shared.batches import BatchProducer
from shared.contract.times import epoch_ms
from shared.settings import ServiceSettings
from shared.topics import LIKES

SLICE = 500


def parse_speed(text: str) -> float | None:
    """None for "max", 1 for "real", 60 for "60x". Raises ValueError."""
    if text == "max":
        return None
    factor = 1.0 if text == "real" else float(text.removesuffix("x"))
    if factor <= 0:
        raise ValueError(text)
    return factor


async def replay(
    path: Path,
    settings: ServiceSettings,
    speed: float | None,
    mapping: Mapping[str, str],
    advance: Callable[[int], None],
) -> int:
    """Send every row; waits for event time to pass unless `speed` is None. Returns how many Kafka acknowledged."""
    await kafka.require_topics(settings, LIKES)
    producer = kafka.producer(settings)
    await producer.start()
    sender = BatchProducer(producer, LIKES, settings.partitions)
    began, first_ms = time.monotonic(), None
    try:
        for events in read_events(path, mapping):
            for start in range(0, len(events), SLICE):
                part = events[start : start + SLICE]
                if speed is not None:
                    at = epoch_ms(part[0].get("occurred_at"))
                    first_ms = at if first_ms is None else first_ms
                    await asyncio.sleep(max(0.0, began + (at - first_ms) / 1000 / speed - time.monotonic()))
                keys = [str(e.get("actor_id", "")).encode() for e in part]
                await sender.send(keys, [msgspec.json.encode(e) for e in part], int(time.time() * 1000))
                advance(len(part))
        await sender.flush()
    finally:
        await producer.stop()
    return sender.acknowledged
