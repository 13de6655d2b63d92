"""Predictor: reads all trusted likes in order, and writes the users of its shares to Redis and `preferences.v1`; the
leader says what it forecast.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from redis.asyncio import Redis

from services.predictor.runner import PredictorRunner
from services.predictor.settings import PredictorSettings
from services.predictor.shares import GROUP
from services.predictor.warm_up import warm_up
from shared import kafka, redis_connection
from shared.frames import Output
from shared.health import Latency, Sample
from shared.probes import RedisProbe
from shared.topics import FORECASTS, PREFERENCES, TRUSTED_LIKES
from shared.worker import Worker

LOG = TopicPartition(TRUSTED_LIKES, 0)
FRAMES_AT_ONCE = 32
# A worker that starts takes shares once it is this close to the end of the log.
CLOSE_FRAMES = 200
# How often a worker without frames looks after its shares.
LOOK_SECONDS = 1.0


class PredictorWorker(Worker):
    """Reads the log from where its snapshot ends; joins the shares' group once it is close to the end."""

    OWN_STATE = frozenset({"state"})

    def __init__(self, settings: PredictorSettings, redis: Redis) -> None:
        super().__init__("predictor", settings, [TRUSTED_LIKES, PREFERENCES, FORECASTS])
        self.runner = PredictorRunner(settings, redis, self.send)
        self.shares = self.runner.shares
        self.in_group(
            GROUP,
            lambda: {PREFERENCES: settings.partitions},
            lambda: not self.caught_up or bool(self.shares.held),
        )
        self.redis_probe = RedisProbe(settings)
        self.probes.append(self.redis_probe)
        self.awaited["redis"] = redis.ping
        self.caught_up = False
        self._preferences = settings.preferences
        self._redis: Any = redis
        self._consumer: AIOKafkaConsumer | None = None
        self._producer: AIOKafkaProducer | None = None
        self._looked_at = time.monotonic()

    def positions(self) -> dict[TopicPartition, int]:
        return {LOG: self.runner.held[LOG.partition].offset} if self.runner.held else {}

    async def send(self, output: Output) -> asyncio.Future[Any]:
        assert self._producer is not None
        return await kafka.send(self._producer, output)

    async def start(self) -> None:
        await self.runner.assign(LOG.partition)
        self._producer = kafka.producer(self.settings)
        await self._producer.start()
        self._consumer = kafka.consumer(self.settings)
        await self._consumer.start()
        self._consumer.assign([LOG])
        self._consumer.seek(LOG, self.runner.held[LOG.partition].offset + 1)

    async def step(self) -> None:
        assert self._consumer is not None
        if await self.runner.follow_shares():
            self._consumer.seek(LOG, self.runner.held[LOG.partition].offset + 1)
        fetched = await self._consumer.getmany(timeout_ms=100, max_records=FRAMES_AT_ONCE)
        for record in fetched.get(LOG, ()):
            await self.runner.handle(LOG.partition, record.offset, record.value, record.headers)
            self.progressed_at = self.runner.last_progress
            # The health server, and what is still being sent to Redis, must get their turns.
            await asyncio.sleep(0)
        if fetched:
            await self.runner.publish()
        if not self.caught_up and LOG in self.broker.ends and self.lag()[LOG] <= CLOSE_FRAMES:
            self.caught_up = True
            self.shares.join(self._producer if self._preferences else None)
        self.shares.check()
        if due := self.runner.due():
            await self.runner.checkpoint(due)
        if not fetched and time.monotonic() - self._looked_at > LOOK_SECONDS:
            await self.runner.look_after_shares()
            self._looked_at = time.monotonic()

    async def stop(self, in_order: bool) -> None:
        """Send what is unsent, a last snapshot, leave the group."""
        if in_order:
            await self.runner.checkpoint([LOG.partition])
        await self.shares.leave()
        for client in (self._consumer, self._producer):
            if client is not None:
                await client.stop()
        await self._redis.aclose()

    def missing(self) -> dict[str, str | None]:
        behind = sum(self.lag().values())
        return {
            "redis": self.redis_probe.error or self.runner.writer.dependency.error,
            "disk": self.runner.disk.error,
            "state": None if self.caught_up else f"{behind} frames to the end of the log",
        }

    def samples(self) -> Iterable[Sample | Latency]:
        yield Sample("held_shares", len(self.shares.held), {"stage": "predictor"}, "gauge")
        yield Sample("lag_frames", sum(self.lag().values()), {"stage": "predictor", "partition": "0"}, "gauge")
        yield from self.runner.samples()


async def main(settings: PredictorSettings) -> None:
    warm_up(settings.predictor_twins)
    await PredictorWorker(settings, redis_connection.connect(settings)).run()
