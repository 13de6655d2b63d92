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
from services.predictor.shares import LEADER, Shares
from services.predictor.task import PredictorTask
from shared import forgetting
from shared.checkpoints import Checkpoint, CheckpointStore
from shared.forgetting import Request
from shared.frames import Frame, Output
from shared.health import Latency, Sample
from shared.idempotent_redis import IdempotentWriter
from shared.partitions import Partition
from shared.schemas import FORGET
from shared.stage import Send, StageRunner
from shared.topics import TRUSTED_LIKES

# Items' neighbours written at once, and at once while no frames come.
LISTS_AT_ONCE = 64
LISTS_AT_REST = 512


class PredictorRunner(StageRunner):
    """A stage whose effect is in Redis, and forecasts: a frame is done once Redis has it, and waits while Redis is
    away. Only the leader says forecasts, and saves snapshots, of what was said only: so who comes to lead says all that
    may be missing by reading again from the last one. Readers ignore what they hear twice. A worker that does not know
    yet whether it leads says them, too.
    """

    def __init__(self, settings: PredictorSettings, redis: Redis, send: Send) -> None:
        super().__init__(
            "predictor",
            lambda _: PredictorTask(settings.partitions, settings.floor, settings.predictor_twins),
            CheckpointStore(settings.checkpoint_dir, "predictor"),
            send,
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
        """Forecasts only: what several frames that were fetched together lead to in Redis is published together."""
        assert isinstance(entry.task, PredictorTask)
        if frame.kind == FORGET:
            self.requests.append((forgetting.of_frame(frame), entry.task.last_forgotten))
        else:
            first = frame.batch.column("revision").to_numpy() == 0
            self.unpublished.append(frame.batch.column("sent_at").to_numpy()[first])
        return await super().deliver(entry, frame, offset, outputs)

    async def follow_shares(self) -> bool:
        """Say forecasts or not, as shares were handed out. Returns whether this worker came to lead without having said
        them: then its state is the last snapshot's, and the log is to be read from there.
        """
        again = False
        for partition, entry in list(self.held.items()):
            assert isinstance(entry.task, PredictorTask)
            if self.shares.leads and not entry.task.says_forecasts:
                # What is unsent names users by numbers of the state that goes.
                await self.publish()
                await self.checkpoint([partition])
                self.drop(partition)
                await self.assign(partition)
                again = True
            elif self.shares.leads is False:
                entry.task.says_forecasts = False
        return again

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
            if self._may_save(entry):
                await self._summarise(entry)
            else:
                entry.saved_at, entry.dirty = self._clock(), False
        return await super().checkpoint([p for p in partitions if self._may_save(self.held[p])])

    def _may_save(self, entry: Partition) -> bool:
        assert isinstance(entry.task, PredictorTask)
        return LEADER in self.shares.held and entry.task.says_forecasts

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
