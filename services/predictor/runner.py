"""Trusted likes in log order, what follows from them in Redis, and snapshots."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from redis.asyncio import Redis

from services.predictor.publishing import neighbour_commands, summary_commands
from services.predictor.settings import PredictorSettings
from services.predictor.shares import Shares
from services.predictor.task import PredictorTask
from shared import forgetting
from shared.checkpoints import Checkpoint, CheckpointStore
from shared.forgetting import Request
from shared.frames import FORGET, Frame, Output
from shared.health import Latency, Sample
from shared.idempotent_redis import IdempotentWriter
from shared.partitions import Partition
from shared.stage import StageRunner, sends_nothing
from shared.topics import TRUSTED_LIKES

# Who holds this share does once what all could do: snapshots, figures, neighbours, counters.
LEADER = 0
# Items' neighbours written at once, and at once while no frames come.
LISTS_AT_ONCE = 64
LISTS_AT_REST = 512


class PredictorRunner(StageRunner):
    """A stage whose effect is in Redis: a frame is done once Redis has it, and waits while Redis is away."""

    def __init__(self, settings: PredictorSettings, redis: Redis) -> None:
        super().__init__(
            "predictor",
            lambda _: PredictorTask(settings.partitions),
            CheckpointStore(settings.checkpoint_dir, "predictor"),
            sends_nothing,
            settings.checkpoint_seconds,
        )
        self.writer = IdempotentWriter(redis, "predictor-items", TRUSTED_LIKES)
        self.summary_writer = IdempotentWriter(redis, "predictor-summary", TRUSTED_LIKES)
        self.idle_writer = IdempotentWriter(redis, "predictor-idle", TRUSTED_LIKES)
        self.ttl_seconds = round(settings.predictions_ttl_days * 86400)
        self.shares = Shares(settings, redis, self.ttl_seconds, self.writer.dependency.when_available)
        # Since the last `publish`: when likes were sent, and requests to forget.
        self.unpublished: list[npt.NDArray[np.int64]] = []
        self.requests: list[tuple[Request, int]] = []

    def _take(self, partition: int) -> Checkpoint | None:
        # All workers hold the log's one partition; what each would save is the same.
        return self._store.load(partition)

    async def deliver(
        self, entry: Partition, frame: Frame, offset: int, outputs: Sequence[Output]
    ) -> list[asyncio.Future[Any]]:
        """Nothing yet: several frames that were fetched together are published together."""
        assert isinstance(entry.task, PredictorTask)
        if frame.kind == FORGET:
            self.requests.append((forgetting.of_frame(frame), entry.task.last_forgotten))
        else:
            first = frame.batch.column("revision").to_numpy() == 0
            self.unpublished.append(frame.batch.column("sent_at").to_numpy()[first])
        return []

    async def publish(self) -> None:
        """Bring Redis up to the frames handled so far."""
        for entry in self.held.values():
            task = entry.task
            assert isinstance(task, PredictorTask)
            await self._write_users(task, entry.offset)
            if LEADER in self.shares.held:
                commands = neighbour_commands(task.take_stale_neighbours(LISTS_AT_ONCE), self.ttl_seconds)
                for request, likes in self.requests:
                    removed = {"unlearnt_likes": likes, "redis_keys": len(request.user_ids)}
                    commands += forgetting.report(request.request_id, "predictor", removed)
                await self.writer.apply_when_available(0, entry.offset, commands)
        if self.requests:
            await self.shares.settle()
        if self.unpublished:
            self.shares.when_written(partial(self._observe, np.concatenate(self.unpublished)))
        self.unpublished, self.requests = [], []

    def _observe(self, sent: npt.NDArray[np.int64]) -> None:
        self.latency.observe((time.time() * 1000 - sent).astype(np.int64))

    async def checkpoint(self, partitions: Iterable[int]) -> dict[int, int]:
        """Before a snapshot, preferences.v1 and the figures in Redis have what it contains. Only one worker saves:
        a snapshot is a function of the log, all would write the same.
        """
        partitions = list(partitions)
        for partition in partitions:
            entry = self.held[partition]
            assert isinstance(entry.task, PredictorTask)
            async with entry.between_frames:
                await self.writer.dependency.when_available(
                    partial(self.shares.flush_preferences, entry.task, entry.offset)
                )
            if LEADER in self.shares.held:
                await self._summarise(entry)
            else:
                entry.saved_at, entry.dirty = self._clock(), False
        return await super().checkpoint(partitions) if LEADER in self.shares.held else {}

    async def look_after_shares(self) -> None:
        """Without a frame: write what a share taken over, or a Redis that was emptied, lacks."""
        for entry in self.held.values():
            assert isinstance(entry.task, PredictorTask)
            async with entry.between_frames:
                if entry.offset < 0:
                    continue
                await self._write_users(entry.task, entry.offset)
                if LEADER in self.shares.held and entry.task.stale:
                    near = entry.task.take_stale_neighbours(LISTS_AT_REST)
                    commands = neighbour_commands(near, self.ttl_seconds)
                    # No frame stands behind this: nothing that follows from one is to be refused for it.
                    await self.idle_writer.apply_when_available(0, time.time_ns(), commands)

    async def _write_users(self, task: PredictorTask, offset: int) -> None:
        if await self.shares.write(task, offset):
            task.stale.update(dict.fromkeys(range(len(task.model.items.ids))))

    async def _summarise(self, entry: Partition) -> None:
        task, offset = entry.task, entry.offset
        assert isinstance(task, PredictorTask)
        commands = summary_commands(task.trending(), task.figures(), self.ttl_seconds)
        await self.summary_writer.apply_when_available(0, offset, commands)

    def samples(self) -> Iterable[Sample | Latency]:
        """Every worker learns all likes; counted once, by the leader."""
        if LEADER not in self.shares.held:
            return
        for name, value in self.counters().items():
            yield Sample(f"{name}_total", value, {"stage": "predictor"})
        if self.latency.counts.any():
            yield Latency("latency_seconds", self.latency, {"stage": "predictor"})
        for entry in self.held.values():
            for name, value in entry.task.model.report().items():
                if isinstance(value, int | float):
                    yield Sample(f"prequential_{name.replace('@', '_at_')}", value, {}, "gauge")
