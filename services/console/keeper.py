"""What the console shows, kept up to date in Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.asyncio import Redis
from starlette.types import ASGIApp

from services.console import campaign_view, own_routes, reviewable, views, window_view
from services.console.api import build_app
from shared import kafka, redis_keys
from shared.frames import lineage_of
from shared.health import Health, Latency, Sample
from shared.idempotent_redis import Command, IdempotentWriter
from shared.probes import RedisProbe
from shared.settings import ServiceSettings
from shared.topics import CAMPAIGNS, TRUSTED_LIKES, VERDICTS, WINDOW_SUMMARIES
from shared.worker import Worker

log = structlog.get_logger()

VIEWS: dict[str, Callable[[bytes], list[Command]]] = {
    VERDICTS: views.of_verdict,
    CAMPAIGNS: campaign_view.of_campaign,
    WINDOW_SUMMARIES: window_view.of_summary,
    TRUSTED_LIKES: views.of_trusted_likes,
}
# What has to look at Redis before it writes there.
PROCEDURES = {
    CAMPAIGNS: campaign_view.PROCEDURES,
    WINDOW_SUMMARIES: window_view.PROCEDURES,
    TRUSTED_LIKES: views.PROCEDURES + reviewable.PROCEDURES,
}
COUNTERS = {
    VERDICTS: "viewed_verdicts",
    CAMPAIGNS: "viewed_campaigns",
    WINDOW_SUMMARIES: "viewed_windows",
    TRUSTED_LIKES: "viewed_frames",
}
MESSAGES_AT_ONCE = 500
# And no more bytes of them than lead to a script that Redis, and this event loop, are soon through with.
BYTES_AT_ONCE = 1 << 18
# How often a console without messages looks whether Redis still has what it wrote.
LOOK_SECONDS = 1.0


class ViewsKeeper(Worker):
    """Reads verdicts, campaigns, windows and trusted likes from where Redis says it got to.

    The place is in Redis, beside what follows from it: after a crash, and with several consoles, nothing is counted
    twice, and a Redis that was emptied is filled again from the log.
    """

    OWN_ROUTES = own_routes.ALL

    def __init__(self, settings: ServiceSettings, redis: Redis) -> None:
        super().__init__("console", settings, list(VIEWS))
        self.writers = {topic: IdempotentWriter(redis, "console", topic, PROCEDURES.get(topic, "")) for topic in VIEWS}
        self.consumer: AIOKafkaConsumer | None = None
        self.offsets: dict[TopicPartition, int] = {}
        # Up to which place each stage's frames of trusted likes are counted; kept in Redis beside the counts.
        self.marks: dict[str, int] = {}
        self._marks_key = redis_keys.marks("console", TRUSTED_LIKES)
        self._redis: Any = redis
        self.counters = dict.fromkeys(COUNTERS.values(), 0)
        self._looked_at = time.monotonic()
        self.redis = RedisProbe(settings)
        self.probes.append(self.redis)
        self.awaited["redis"] = redis.ping

    def app(self, health: Health) -> ASGIApp:
        return build_app(self._redis, health)

    def positions(self) -> dict[TopicPartition, int]:
        return self.offsets

    async def start(self) -> None:
        consumer = kafka.consumer(self.settings)
        await consumer.start()
        self.consumer = consumer
        count = {VERDICTS: self.settings.partitions}
        places = [TopicPartition(t, p) for t in VIEWS for p in range(count.get(t, 1))]
        consumer.assign(places)
        for place in places:
            await self._go_on_after(place, await self._newest(place))

    async def _newest(self, place: TopicPartition) -> int:
        writer = self.writers[place.topic]
        return await writer.dependency.when_available(lambda: writer.newest(place.partition))

    async def _go_on_after(self, place: TopicPartition, offset: int) -> None:
        assert self.consumer is not None
        if place.topic == TRUSTED_LIKES:
            read = self.writers[TRUSTED_LIKES].dependency.when_available
            found = await read(lambda: self._redis.hgetall(self._marks_key))
            self.marks = {source.decode(): int(mark) for source, mark in found.items()}
        self.offsets[place] = offset
        self.consumer.seek(place, offset + 1)

    def _commands(self, records: Sequence[Any], topic: str, marks: dict[str, int]) -> list[Command]:
        """What follows from these messages; a frame that a stage sent again after a crash is left out."""
        commands: list[Command] = []
        for record in records:
            lineage = lineage_of(record.headers) if topic == TRUSTED_LIKES else None
            if lineage is not None:
                if lineage.place <= marks.get(lineage.source, -1):
                    continue
                marks[lineage.source] = lineage.place
            if record.value is not None:
                commands += VIEWS[topic](record.value)
            elif topic == CAMPAIGNS and record.key is not None:
                commands += campaign_view.of_tombstone(record.key)
        if marks:
            commands.append(("HSET", self._marks_key, *(word for mark in marks.items() for word in mark)))
        return commands

    async def step(self) -> None:
        assert self.consumer is not None
        fetched = await self.consumer.getmany(timeout_ms=200, max_records=MESSAGES_AT_ONCE)
        for place, records in fetched.items():
            for some in in_parts(records):
                if not await self._view(place, some):
                    break
        if not fetched and time.monotonic() - self._looked_at > LOOK_SECONDS:
            for place, offset in list(self.offsets.items()):
                if (newest := await self._newest(place)) != offset:
                    await self._follow(place, newest)
            self._looked_at = time.monotonic()

    async def _view(self, place: TopicPartition, records: Sequence[Any]) -> bool:
        """Bring Redis up to the last of these; False where it is elsewhere, and reading goes on from there."""
        marks = dict(self.marks) if place.topic == TRUSTED_LIKES else {}
        commands = self._commands(records, place.topic, marks)
        writer, last = self.writers[place.topic], records[-1].offset
        newest = await writer.apply_when_available(place.partition, last, commands, after=self.offsets[place])
        self.progressed_at = time.monotonic()
        if newest != last:
            await self._follow(place, newest)
            return False
        self.offsets[place] = last
        self.marks = marks or self.marks
        self.counters[COUNTERS[place.topic]] += len(records)
        return True

    async def _follow(self, place: TopicPartition, newest: int) -> None:
        """Redis was emptied, lost its last writes, or another console wrote: what it holds says where to go on."""
        log.warning(
            "going on from where Redis is",
            topic=place.topic,
            partition=place.partition,
            was=self.offsets[place],
            now=newest,
        )
        await self._go_on_after(place, newest)

    async def stop(self, in_order: bool) -> None:
        if self.consumer is not None:
            await self.consumer.stop()
        await self._redis.aclose()

    def missing(self) -> dict[str, str | None]:
        waiting = next((w.dependency.error for w in self.writers.values() if w.dependency.error is not None), None)
        return {"redis": self.redis.error or waiting}

    def samples(self) -> Iterable[Sample | Latency]:
        for name, value in self.counters.items():
            yield Sample(f"{name}_total", value, {"stage": "console"})
        if self.offsets:
            yield Sample("lag_frames", sum(self.lag().values()), {"stage": "console", "partition": "all"}, "gauge")


def in_parts(records: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Messages in order, together until they are BYTES_AT_ONCE."""
    begin, size = 0, 0
    for end, record in enumerate(records):
        size += len(record.value or b"")
        if size >= BYTES_AT_ONCE:
            yield records[begin : end + 1]
            begin, size = end + 1, 0
    if begin < len(records):
        yield records[begin:]
