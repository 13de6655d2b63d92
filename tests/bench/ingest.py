"""Ingest's rows: likes and slates, JSON from an embedded broker to frames, beside bare loops over the same messages."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from services.ingest.app import FETCHED_AT_ONCE, GATHERED
from services.ingest.framing import FrameBuilder
from services.ingest.runner import EXPOSURES_SOURCE, LIKES_SOURCE, Source
from services.ingest.settings import IngestSettings
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


class _Ingest:
    """What the service does with what it fetches: gathers it, checks, deduplicates, cuts and encodes it."""

    def __init__(self, settings: ServiceSettings, source: Source) -> None:
        self.own, self.source, self.partitions = IngestSettings(), source, settings.partitions
        self.intakes = [source.new_intake(self.own) for _ in range(settings.partitions)]
        self.builder = FrameBuilder(settings.partitions, self.own.ingest_frame_rows, source.framing)
        self.waiting: list[list[Message]] = [[] for _ in self.intakes]
        self.closed_at = time.monotonic()

    def take(self, messages: list[Message]) -> None:
        """Of one partition."""
        self.waiting[messages[0].partition] += messages
        if self._due() or sum(map(len, self.waiting)) >= GATHERED:
            self.take_what_waits()

    def _due(self) -> bool:
        return time.monotonic() - self.closed_at > self.own.ingest_frame_ms / 1000

    def take_what_waits(self) -> None:
        for partition, messages in enumerate(self.waiting):
            for start in range(0, len(messages), self.source.at_once):
                piece = messages[start : start + self.source.at_once]
                self.builder.add(self.intakes[partition].take(piece).rows)
            self.waiting[partition] = []
        if self.builder.full or self._due():
            self.builder.close(Progress(self.partitions, {}))
            self.closed_at = time.monotonic()


def _drained(settings: ServiceSettings, count: int, topic: str, take: Callable[[list[Message]], None]) -> None:
    async def drain() -> None:
        consumer = kafka.consumer(settings, topic)
        await consumer.start()
        found = 0
        while found < count:
            for records in (await consumer.getmany(timeout_ms=200, max_records=FETCHED_AT_ONCE)).values():
                take([Message(r.value, r.partition, r.offset, r.timestamp, {}) for r in records])
                found += len(records)
        await consumer.stop()

    asyncio.run(drain())


def _through_ingest(settings: ServiceSettings, count: int, source: Source) -> float:
    """Messages a second through ingest's whole path."""

    def run() -> int:
        ingest = _Ingest(settings, source)
        _drained(settings, count, source.topic, ingest.take)
        ingest.take_what_waits()
        ingest.builder.close(Progress(settings.partitions, {}))
        return count

    return rate_of(run)


def _bare(settings: ServiceSettings, count: int, topic: str, decode_one: Callable[[bytes], object]) -> float:
    """Messages a second through a loop that only reads and decodes each."""

    def take(messages: list[Message]) -> None:
        for message in messages:
            decode_one(message.value or b"")

    def run() -> int:
        _drained(settings, count, topic, take)
        return count

    return rate_of(run)


def _rates(settings: ServiceSettings, count: int) -> list[Row]:
    """Bare loops and ingest's whole path, in one run."""
    pydantic_rate = _bare(settings, count, LIKES, Like.model_validate_json)
    msgspec_rate = _bare(settings, count, LIKES, msgspec.json.Decoder(FastLike).decode)
    ours = _through_ingest(settings, count, LIKES_SOURCE)
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
    per_slate = items / count
    bare_rate = per_slate * _bare(settings, count, EXPOSURES, msgspec.json.Decoder(FastExposure).decode)
    ours = per_slate * _through_ingest(settings, count, EXPOSURES_SOURCE)
    return [
        (
            f"exposures at ingest, slates of {per_slate:.0f} items",
            f"{ours:,.0f} items/s",
            f"bare aiokafka + msgspec {bare_rate:,.0f}",
            f"{ours / bare_rate:.2f}",
        )
    ]
