"""A file's likes to `likes.v1`, in order of time, as fast as asked for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from shared import kafka, schemas
from shared.batches import BatchProducer
from shared.contract.like_rows import to_messages
from shared.settings import ServiceSettings
from shared.topics import LIKES
from truelike.files.reading import Advance
from truelike.files.spool import Sorted, Spool

SLICE: Final = 500
# (partition, first offset, how many)
Places = list[tuple[int, int, int]]


def parse_speed(text: str) -> float | None:
    """None for "max", 1 for "real", 60 for "60x". Raises ValueError."""
    if text == "max":
        return None
    factor = 1.0 if text == "real" else float(text.removesuffix("x"))
    if not 0 < factor < float("inf"):
        raise ValueError(text)
    return factor


class Sender:
    """Waits for event time to pass, `speed` times as fast as it did, unless `speed` is None."""

    def __init__(self, speed: float | None, shift_ms: int) -> None:
        self.speed = speed
        self.shift_ms = shift_ms

    async def send(self, spool: Spool, settings: ServiceSettings, advance: Advance) -> Places:
        """Where the broker has put them, all acknowledged. Raises KafkaError."""
        producer = kafka.producer(settings)
        await producer.start()
        sender = BatchProducer(producer, LIKES, settings.partitions, keep_places=True)
        began, first_ms, done = time.monotonic(), None, 0
        try:
            for batch in spool.batches():
                for at, keys, values in self._slices(batch):
                    if self.speed is not None:
                        first_ms = at if first_ms is None else first_ms
                        due = began + (at - first_ms) / 1000 / self.speed
                        await asyncio.sleep(max(0.0, due - time.monotonic()))
                    await sender.send(keys, values, int(time.time() * 1000))
                    done += len(keys)
                    advance(done, spool.rows)
            await sender.flush()
        finally:
            await producer.stop()
        return sender.places

    def _slices(self, batch: Sorted) -> Iterator[tuple[int, list[bytes], list[bytes]]]:
        """(time of the first, keys, messages)"""
        times = batch.likes.column("occurred_at").to_numpy() + self.shift_ms
        columns = [pa.array(times) if f.name == "occurred_at" else batch.likes.column(f.name) for f in schemas.LIKES]
        values = to_messages(pa.RecordBatch.from_arrays(columns, schema=schemas.LIKES))
        for row, event_id in batch.undoes.items():
            values[row] = msgspec.json.encode({**_object(values[row]), "undoes": event_id})
        keys = [actor.encode() for actor in batch.likes.column("actor_id").to_pylist()]
        size = SLICE if self.speed is None else 1
        starts = (
            range(0, len(keys), size) if self.speed is None else np.flatnonzero(np.diff(times, prepend=-1)).tolist()
        )
        stops = [*list(starts)[1:], len(keys)]
        for start, stop in zip(starts, stops, strict=True):
            yield int(times[start]), keys[start:stop], values[start:stop]


def _object(value: bytes) -> dict[str, Any]:
    return msgspec.json.decode(value, type=dict[str, Any])
