"""Ingest's rows: likes and slates, JSON from an embedded broker to frames, beside bare loops over the same messages."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from services.ingest.framing import EXPOSURES_FRAMING, FrameBuilder
from services.ingest.intake import Intake
from services.ingest.runner import EXPOSURES_SOURCE
from services.ingest.settings import IngestSettings
from services.ingest.slate_intake import SlateIntake
from shared import kafka
from shared.contract.decode import FastLike, Message, decode
from shared.contract.slates import FastExposure
from shared.events import Like
from shared.frames import Progress
from shared.settings import ServiceSettings
from shared.topics import EXPOSURES, LIKES
from tests.bench.measuring import Bench, Row, fill, rate_of
from truelike.cli.embedded import Broker
from truelike.evaluation import choice_files
from truelike.evaluation.choice_world import World, make

TITLE: Final = "Ingest"
ODD: Final = 0.02
ODD_ONES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "unlikes by the id of their like": lambda value: _with(value, action="unlike", undoes="e1"),
    "from clocks a year ahead": lambda value: _with(value, occurred_at=round(time.time() * 1000) + 365 * 86_400_000),
    "in CloudEvents": lambda value: b'{"specversion":"1.0","id":"1","source":"s","type":"like","data":%b}' % value,
}


def _with(value: bytes, **more: Any) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(value) | more)


def rows(bench: Bench) -> list[Row]:
    keys, values = bench.events
    with tempfile.TemporaryDirectory() as name:
        broker = Broker(Path(name))
        broker.start()
        settings = ServiceSettings(kafka_bootstrap_servers=broker.bootstrap_servers, kafka_idempotence=False)
        try:
            asyncio.run(kafka.create_topics(settings))
            asyncio.run(fill(settings, keys, values))
            slates = list(choice_files.slates(make(World(people=_people(bench), slates=10), seed=1)))
            actors = [slate["actor_id"].encode() for slate in slates]
            asyncio.run(fill(settings, actors, [msgspec.json.encode(slate) for slate in slates], EXPOSURES))
            return [*_rates(settings, len(values)), *_mixed(values), *_slate_rates(settings, slates)]
        finally:
            broker.stop()


async def _drain(
    settings: ServiceSettings, count: int, take: Callable[[list[Message]], None], topic: str = LIKES
) -> int:
    consumer = kafka.consumer(settings, topic)
    await consumer.start()
    found = 0
    while found < count:
        for records in (await consumer.getmany(timeout_ms=200, max_records=4000)).values():
            take([Message(r.value, r.partition, r.offset, r.timestamp, {}) for r in records])
            found += len(records)
    await consumer.stop()
    return found


def _rates(settings: ServiceSettings, count: int) -> list[Row]:
    """Bare loops and ingest's whole path (read, check, deduplicate, cut, encode), alternating in one run."""
    decoder = msgspec.json.Decoder(FastLike)

    def bare_pydantic(messages: list[Message]) -> None:
        for message in messages:
            Like.model_validate_json(message.value or b"")

    def bare_msgspec(messages: list[Message]) -> None:
        for message in messages:
            decoder.decode(message.value or b"")

    def ingest() -> Callable[[list[Message]], None]:
        own = IngestSettings()
        intake, builder = Intake(1_000_000), FrameBuilder(settings.partitions, own.ingest_frame_rows)
        closed = time.monotonic()

        def take(messages: list[Message]) -> None:
            """Frames close as in the service."""
            nonlocal closed
            builder.add(intake.take(messages).likes)
            if builder.full or time.monotonic() - closed > own.ingest_frame_ms / 1000:
                builder.close(Progress(settings.partitions, {}))
                closed = time.monotonic()

        return take

    def run(take: Callable[[list[Message]], None]) -> Callable[[], int]:
        return lambda: asyncio.run(_drain(settings, count, take))

    pydantic_rate, msgspec_rate = rate_of(run(bare_pydantic)), rate_of(run(bare_msgspec))
    ours = rate_of(lambda: asyncio.run(_drain(settings, count, ingest())))
    return [
        (
            "ingest, JSON in, frames out",
            f"{ours:,.0f} likes/s",
            f"bare aiokafka + pydantic {pydantic_rate:,.0f}",
            f"{ours / pydantic_rate:.2f}",
        ),
        ("", "", f"bare aiokafka + msgspec {msgspec_rate:,.0f}", f"{ours / msgspec_rate:.2f}"),
    ]


def _mixed(values: list[bytes]) -> list[Row]:
    """Two in a hundred messages that no block takes, beside usual ones alone; without a broker."""
    usual = _decoded(values)
    return [
        (
            f"- checked only, {ODD:.0%} {what}",
            f"{rate:,.0f} likes/s",
            f"usual ones alone {usual:,.0f}",
            f"{rate / usual:.2f}",
        )
        for what, change in ODD_ONES.items()
        for rate in [_decoded([change(value) if n % round(1 / ODD) == 0 else value for n, value in enumerate(values)])]
    ]


def _decoded(values: list[bytes]) -> float:
    messages = [Message(value, 0, offset, round(time.time() * 1000), {}) for offset, value in enumerate(values)]

    def run() -> int:
        for start in range(0, len(messages), 4000):
            decode(messages[start : start + 4000])
        return len(messages)

    return rate_of(run)


def _people(bench: Bench) -> int:
    return 300 if bench.short else 3000


def _slate_rates(settings: ServiceSettings, slates: list[dict[str, Any]]) -> list[Row]:
    """As `_rates`, of slates; in shown and withheld items a second."""
    count, items = len(slates), sum(len(s.get("items", ())) + len(s.get("withheld", ())) for s in slates)
    decoder = msgspec.json.Decoder(FastExposure)

    def bare(messages: list[Message]) -> None:
        for message in messages:
            decoder.decode(message.value or b"")

    def ingest() -> Callable[[list[Message]], None]:
        own = IngestSettings()
        intake = SlateIntake(own.ingest_remembered_ids, own.exposure_sample)
        builder = FrameBuilder(settings.partitions, own.ingest_frame_rows, EXPOSURES_FRAMING)
        closed = time.monotonic()

        def take(messages: list[Message]) -> None:
            nonlocal closed
            at_once = EXPOSURES_SOURCE.at_once
            for start in range(0, len(messages), at_once):
                builder.add(intake.take(messages[start : start + at_once]).rows)
                if builder.full or time.monotonic() - closed > own.ingest_frame_ms / 1000:
                    builder.close(Progress(settings.partitions, {}))
                    closed = time.monotonic()

        return take

    def run(new_take: Callable[[], Callable[[list[Message]], None]]) -> Callable[[], int]:
        return lambda: asyncio.run(_drain(settings, count, new_take(), EXPOSURES)) and items

    bare_rate, ours = rate_of(run(lambda: bare)), rate_of(run(ingest))
    return [
        (
            f"exposures at ingest, slates of {items / count:.0f} items",
            f"{ours:,.0f} items/s",
            f"bare aiokafka + msgspec {bare_rate:,.0f}",
            f"{ours / bare_rate:.2f}",
        )
    ]
