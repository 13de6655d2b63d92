"""Predictor: one Faust agent; after each frame the users' newest rankings go to Redis, at each snapshot to Kafka."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from pydantic import Field
from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from services.predictor.publishing import (
    PUBLISH_SCRIPT,
    Published,
    frame_commands,
    preference,
    summary_commands,
    user_writes,
)
from services.predictor.task import PredictorTask, warm_up
from shared.batches import BatchProducer
from shared.checkpoints import CheckpointStore
from shared.faust_stages import FaustStages
from shared.frames import FORGET, Frame, Output
from shared.guarded_redis import GuardedWriter
from shared.health import Latency, Sample
from shared.service import until_available
from shared.settings import ServiceSettings
from shared.stage import Partition, StageRunner
from shared.topics import PREFERENCES, TRUSTED_LIKES


class PredictorSettings(ServiceSettings):
    """The predictor's own settings."""

    predictions_ttl_days: float = Field(30.0, gt=0, description="How long a user's predictions stay in Redis, days")
    preferences: bool = Field(True, description="Whether users' predictions also go to preferences.v1")


class PredictorRunner(StageRunner):
    """A stage whose effect is in Redis: a frame is done once Redis has it, and waits while Redis is away."""

    writer: GuardedWriter
    summary_writer: GuardedWriter
    publish: AsyncScript
    preferences: BatchProducer | None
    ttl_seconds: int
    # Records for preferences.v1 since the last snapshot: only a user's newest is sent.
    unsent: dict[str, bytes | None]

    async def deliver(self, entry: Partition, frame: Frame, outputs: Sequence[Output]) -> list[asyncio.Future[Any]]:
        assert isinstance(entry.task, PredictorTask)
        published = entry.task.published
        assert published is not None
        await self.writer.when_available(lambda: self._write(published))
        self._note(published)
        if frame.kind != FORGET:
            first = frame.batch.column("revision").to_numpy() == 0
            sent = frame.batch.column("sent_at").to_numpy()[first]
            self.latency.observe((time.time() * 1000 - sent).astype(np.int64))
        return []

    async def _write(self, published: Published) -> None:
        for keys, arguments in user_writes(published, self.ttl_seconds):
            await self.publish(keys=keys, args=arguments)
        await self.writer.apply(0, published.offset, frame_commands(published, self.ttl_seconds))

    def _note(self, published: Published) -> None:
        if self.preferences is None:
            return
        for prediction in published.predictions:
            self.unsent[prediction.user_id] = preference(published, prediction)
        if published.forgotten is not None:
            self.unsent.update(dict.fromkeys(published.forgotten.user_ids))

    async def checkpoint(self, partitions: Iterable[int]) -> dict[int, int]:
        """Before a snapshot, preferences.v1 and the figures in Redis have what it contains."""
        partitions = list(partitions)
        for partition in partitions:
            await self._summarise(self.partitions[partition])
        if partitions and self.unsent:
            assert self.preferences is not None
            unsent, self.unsent = self.unsent, {}
            keys = [user.encode() for user in unsent]
            await self.preferences.send(keys, list(unsent.values()), int(time.time() * 1000))
            await self.preferences.flush()
        return await super().checkpoint(partitions)

    async def _summarise(self, entry: Partition) -> None:
        task, offset = entry.task, entry.offset
        assert isinstance(task, PredictorTask)
        commands = summary_commands(task.trending(), task.figures(), self.ttl_seconds)
        await self.summary_writer.apply_when_available(0, offset, commands)


async def main(settings: PredictorSettings) -> None:
    stages = FaustStages("predictor", settings)
    redis: Redis = Redis.from_url(settings.redis_url)
    store = CheckpointStore(settings.checkpoint_dir, "predictor")
    runner = PredictorRunner("predictor", PredictorTask, store, stages.send, settings.checkpoint_seconds)
    runner.writer = GuardedWriter(redis, "predictor", TRUSTED_LIKES)
    runner.summary_writer = GuardedWriter(redis, "predictor-summary", TRUSTED_LIKES)
    runner.publish = redis.register_script(PUBLISH_SCRIPT)
    runner.ttl_seconds = round(settings.predictions_ttl_days * 86400)
    runner.unsent = {}
    runner.preferences = None
    stages.add(TRUSTED_LIKES, runner)
    warm_up()

    async def ping() -> None:
        await redis.ping()

    async def before(stopping: asyncio.Event) -> bool:
        return await until_available("redis", ping, stopping)

    def connected(producer: Any) -> None:
        if settings.preferences:
            runner.preferences = BatchProducer(producer, PREFERENCES, settings.partitions)

    def ready() -> dict[str, str | None]:
        return {**stages.ready(), "redis": runner.writer.error}

    def samples() -> Iterable[Sample | Latency]:
        yield from stages.samples()
        for entry in runner.partitions.values():
            assert isinstance(entry.task, PredictorTask)
            for name, value in entry.task.model.report().items():
                if isinstance(value, int | float):
                    yield Sample(f"prequential_{name.replace('@', '_at_')}", value, {}, "gauge")

    await stages.run(ready, samples, before, connected)
    await redis.aclose()
