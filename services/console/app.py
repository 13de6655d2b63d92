"""Console: keeps the views in Redis up to date and serves the read API and the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.asyncio import Redis

from services.console import views
from services.console.api import build_app
from shared import kafka
from shared.guarded_redis import Command, GuardedWriter
from shared.health import Health, Latency, Sample
from shared.service import Service, until_available
from shared.settings import ServiceSettings
from shared.topics import CAMPAIGNS, TRUSTED_LIKES, VERDICTS

VIEWS: dict[str, Callable[[bytes], list[Command]]] = {
    VERDICTS: views.of_verdict,
    CAMPAIGNS: views.of_campaign,
    TRUSTED_LIKES: views.of_trusted_likes,
}
STALLED_SECONDS = 30.0
MESSAGES_AT_ONCE = 500


class ConsoleSettings(ServiceSettings):
    """The console has no settings of its own yet."""


class ViewsKeeper:
    """Reads verdicts, campaigns and trusted likes from where Redis says it got to.

    The place is in Redis, beside what follows from it: after a crash nothing is counted twice, and a Redis that
    was emptied is filled again from the log.
    """

    def __init__(self, settings: ConsoleSettings, redis: Redis) -> None:
        self.settings = settings
        self.writers = {topic: GuardedWriter(redis, "console", topic) for topic in VIEWS}
        self.consumer: AIOKafkaConsumer | None = None
        self.offsets: dict[TopicPartition, int] = {}
        self.counters = dict.fromkeys(("viewed_verdicts", "viewed_campaigns", "viewed_frames"), 0)
        self.progressed_at = time.monotonic()

    async def start(self) -> None:
        consumer = kafka.consumer(self.settings)
        await consumer.start()
        self.consumer = consumer
        count = {VERDICTS: self.settings.partitions}
        places = [TopicPartition(t, p) for t in VIEWS for p in range(count.get(t, 1))]
        consumer.assign(places)
        for place in places:
            self.offsets[place] = await self.writers[place.topic].newest(place.partition)
            consumer.seek(place, self.offsets[place] + 1)

    async def step(self) -> None:
        assert self.consumer is not None
        fetched = await self.consumer.getmany(timeout_ms=200, max_records=MESSAGES_AT_ONCE)
        names = {VERDICTS: "viewed_verdicts", CAMPAIGNS: "viewed_campaigns", TRUSTED_LIKES: "viewed_frames"}
        for place, records in fetched.items():
            commands = [c for record in records for c in VIEWS[place.topic](record.value)]
            await self.writers[place.topic].apply_when_available(place.partition, records[-1].offset, commands)
            self.offsets[place] = records[-1].offset
            self.counters[names[place.topic]] += len(records)
            self.progressed_at = time.monotonic()

    def lag(self) -> int:
        assert self.consumer is not None
        ends = {place: self.consumer.highwater(place) or 0 for place in self.offsets}
        return sum(max(0, ends[place] - offset - 1) for place, offset in self.offsets.items())

    def ready(self) -> dict[str, str | None]:
        away = next((w.error for w in self.writers.values() if w.error is not None), None)
        return {"broker": None if self.offsets else "not connected", "redis": away}

    def live(self) -> dict[str, str | None]:
        silent = time.monotonic() - self.progressed_at
        stalled = bool(self.offsets) and self.lag() > 0 and silent > STALLED_SECONDS
        return {"progress": f"{self.lag()} messages wait, none read for {silent:.0f} s" if stalled else None}

    def samples(self) -> Iterable[Sample | Latency]:
        for name, value in self.counters.items():
            yield Sample(f"{name}_total", value, {"stage": "console"})
        if self.offsets:
            yield Sample("lag_frames", self.lag(), {"stage": "console", "partition": "all"}, "gauge")


async def main(settings: ConsoleSettings) -> None:
    redis: Any = Redis.from_url(settings.redis_url)
    keeper = ViewsKeeper(settings, redis)
    health = Health("console", keeper.ready, keeper.live, keeper.samples)
    async with Service("console", settings, build_app(redis, health)) as service:
        if not await until_available("kafka", lambda: kafka.require_topics(settings, *VIEWS), service.stopping):
            return
        if not await until_available("redis", redis.ping, service.stopping):
            return
        await keeper.start()
        working = asyncio.create_task(_work(keeper, service.stopping))
        stopped = asyncio.create_task(service.stopping.wait())
        await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            # A write to Redis is whole or not at all, so it may be given up at any moment.
            _, pending = await asyncio.wait([working], timeout=5)
            for task in pending:
                task.cancel()
        assert keeper.consumer is not None
        await keeper.consumer.stop()
        await redis.aclose()
        if working.done():
            working.result()


async def _work(keeper: ViewsKeeper, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        await keeper.step()
