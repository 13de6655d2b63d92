"""Trusted likes counted in charts: their one partition, in the order of its log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from services.charts.limits import ChartLimits
from services.charts.review_table import ReviewTable
from services.charts.settings import ChartsSettings
from services.charts.task import ChartsTask
from shared import forgetting
from shared.checkpoints import CheckpointStore
from shared.frames import Frame, Output
from shared.idempotent_redis import IdempotentWriter
from shared.partitions import Partition
from shared.schemas import FORGET
from shared.stage import Send, StageRunner
from shared.topics import TRUSTED_LIKES


def limits_of(settings: ChartsSettings) -> ChartLimits:
    return ChartLimits(settings.charts_entries, settings.charts_likes, segments=settings.charts_segments)


class ChartsRunner(StageRunner):
    """Likes lead to no message by themselves: what changed is said now and then (services/charts/saying.py)."""

    def __init__(self, settings: ChartsSettings, redis: Redis, send: Send, reviews: ReviewTable) -> None:
        limits = limits_of(settings)
        store = CheckpointStore(settings.checkpoint_dir, "charts")
        super().__init__(
            "charts", lambda p: ChartsTask(p, limits, settings.charts_days), store, send, settings.checkpoint_seconds
        )
        self.writer = IdempotentWriter(redis, "charts", TRUSTED_LIKES)
        self._reviews = reviews

    async def deliver(
        self, entry: Partition, frame: Frame, offset: int, outputs: Sequence[Output]
    ) -> list[asyncio.Future[Any]]:
        sent = await super().deliver(entry, frame, offset, outputs)
        if frame.kind == FORGET:
            task: ChartsTask = entry.task
            commands = forgetting.report(
                forgetting.of_frame(frame).request_id, "charts", {"likes": task.last_forgotten}
            )
            await self.writer.apply_when_available(task.partition, offset, commands)
        return sent

    def counters(self) -> dict[str, int]:
        """Those of reviews are of this process: each reads them all."""
        return super().counters() | self._reviews.counters
