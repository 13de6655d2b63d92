"""Predictor: one Faust agent; after each frame the users' newest rankings go to Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from pydantic import Field
from redis.asyncio import Redis

from services.predictor.model import VERSION
from services.predictor.task import PredictorTask, Published, warm_up
from shared import redis_keys
from shared.checkpoints import CheckpointStore
from shared.events import rfc3339
from shared.faust_stages import FaustStages
from shared.frames import Frame, Output
from shared.guarded_redis import Command, GuardedWriter
from shared.health import Latency, Sample
from shared.service import until_available
from shared.settings import ServiceSettings
from shared.stage import Partition, StageRunner
from shared.topics import TRUSTED_LIKES


class PredictorSettings(ServiceSettings):
    """The predictor's own settings."""

    predictions_ttl_days: float = Field(30.0, gt=0, description="How long a user's predictions stay in Redis, days")


def to_commands(published: Published, ttl_seconds: int) -> list[Command]:
    """Redis commands that show what a frame changed."""
    encode = msgspec.json.encode
    # Everything but the items is the same for all users of a frame, and encoded once.
    common = {
        "model": VERSION,
        "as_of": rfc3339(published.as_of),
        "source_offset": published.offset,
        "probabilities": published.probabilities,
    }
    head = encode(common)[:-1] + b',"items":'
    found: list[Command] = [
        ("SET", redis_keys.predictions(p.user_id), head + encode(p.items) + b"}", "EX", ttl_seconds)
        for p in published.predictions
    ]
    for item, neighbours in published.neighbours.items():
        found.append(("SET", redis_keys.neighbours(item), encode(neighbours), "EX", ttl_seconds))
    found.append(("SET", redis_keys.FIGURES, encode(published.figures)))
    return found


class PredictorRunner(StageRunner):
    """A stage whose effect is in Redis: a frame is done once Redis has it, and waits while Redis is away."""

    writer: GuardedWriter
    ttl_seconds: int

    async def deliver(self, entry: Partition, frame: Frame, outputs: Sequence[Output]) -> list[asyncio.Future[Any]]:
        assert isinstance(entry.task, PredictorTask)
        published = entry.task.published
        assert published is not None
        commands = to_commands(published, self.ttl_seconds)
        await self.writer.apply_when_available(0, published.offset, commands)
        first = frame.batch.column("revision").to_numpy() == 0
        sent = frame.batch.column("sent_at").to_numpy()[first]
        self.latency.observe((time.time() * 1000 - sent).astype(np.int64))
        return []


async def main(settings: PredictorSettings) -> None:
    stages = FaustStages("predictor", settings)
    redis: Redis = Redis.from_url(settings.redis_url)
    store = CheckpointStore(settings.checkpoint_dir, "predictor")
    runner = PredictorRunner("predictor", PredictorTask, store, stages.send, settings.checkpoint_seconds)
    runner.writer = GuardedWriter(redis, "predictor", TRUSTED_LIKES)
    runner.ttl_seconds = round(settings.predictions_ttl_days * 86400)
    stages.add(TRUSTED_LIKES, runner)
    warm_up()

    async def ping() -> None:
        await redis.ping()

    async def before(stopping: asyncio.Event) -> bool:
        return await until_available("redis", ping, stopping)

    def ready() -> dict[str, str | None]:
        return {**stages.ready(), "redis": runner.writer.error}

    def samples() -> Iterable[Sample | Latency]:
        yield from stages.samples()
        for entry in runner.partitions.values():
            assert isinstance(entry.task, PredictorTask)
            for name, value in entry.task.model.report().items():
                yield Sample(f"prequential_{name.replace('@', '_at_')}", value, {}, "gauge")

    await stages.run(ready, samples, before)
    await redis.aclose()
