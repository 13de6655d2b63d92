"""Predictor: reads all trusted likes in order, and writes the users of its shares to Redis and `preferences.v1`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import Field
from redis.asyncio import Redis
from starlette.applications import Starlette

from services.predictor.publishing import neighbour_commands, summary_commands
from services.predictor.shares import GROUP, Shares
from services.predictor.task import PredictorTask, warm_up
from shared import forgetting, kafka, redis_connection
from shared.checkpoints import Checkpoint, CheckpointStore
from shared.dependency import until_available
from shared.forgetting import Request
from shared.frames import FORGET, Frame, Output
from shared.health import Health, Latency, Sample, StallWatch
from shared.idempotent_redis import IdempotentWriter
from shared.membership import MembershipProbe
from shared.probes import BrokerProbe, RedisProbe
from shared.service import Service
from shared.settings import ServiceSettings
from shared.stage import Partition, StageRunner
from shared.topics import PREFERENCES, TRUSTED_LIKES

log = structlog.get_logger()

LOG = TopicPartition(TRUSTED_LIKES, 0)
# Who holds this share does once what all could do: snapshots, figures, neighbours, counters.
LEADER = 0
FRAMES_AT_ONCE = 32
# Items' neighbours written at once, and at once while no frames come.
LISTS_AT_ONCE = 64
LISTS_AT_REST = 512
# A worker that starts takes shares once it is this close to the end of the log.
CLOSE_FRAMES = 200
# How often a worker without frames looks after its shares.
LOOK_SECONDS = 1.0


class PredictorSettings(ServiceSettings):
    """The predictor's own settings."""

    predictions_ttl_days: float = Field(30.0, gt=0, description="How long a user's predictions stay in Redis, days")
    preferences: bool = Field(True, description="Whether users' predictions also go to preferences.v1")


class PredictorRunner(StageRunner):
    """A stage whose effect is in Redis: a frame is done once Redis has it, and waits while Redis is away."""

    shares: Shares
    writer: IdempotentWriter
    summary_writer: IdempotentWriter
    idle_writer: IdempotentWriter

    # Since the last `publish`: when likes were sent, and requests to forget.
    waiting: list[npt.NDArray[np.int64]]
    requests: list[tuple[Request, int]]

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
            self.waiting.append(frame.batch.column("sent_at").to_numpy()[first])
        return []

    async def publish(self) -> None:
        """Bring Redis up to the frames handled so far."""
        for entry in self.partitions.values():
            task = entry.task
            assert isinstance(task, PredictorTask)
            await self._write_users(task, entry.offset)
            if LEADER in self.shares.held:
                commands = neighbour_commands(task.take_stale_neighbours(LISTS_AT_ONCE), self.shares.ttl_seconds)
                for request, likes in self.requests:
                    removed = {"unlearnt_likes": likes, "redis_keys": 2 * len(request.user_ids)}
                    commands += forgetting.report(request.request_id, "predictor", removed)
                await self.writer.apply_when_available(0, entry.offset, commands)
        if self.requests:
            await self.shares.settle()
        if self.waiting:
            self.shares.when_written(partial(self._observe, np.concatenate(self.waiting)))
        self.waiting, self.requests = [], []

    def _observe(self, sent: npt.NDArray[np.int64]) -> None:
        self.latency.observe((time.time() * 1000 - sent).astype(np.int64))

    async def checkpoint(self, partitions: Iterable[int]) -> dict[int, int]:
        """Before a snapshot, preferences.v1 and the figures in Redis have what it contains. Only one worker saves:
        a snapshot is a function of the log, all would write the same.
        """
        partitions = list(partitions)
        for partition in partitions:
            entry = self.partitions[partition]
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
        for entry in self.partitions.values():
            assert isinstance(entry.task, PredictorTask)
            async with entry.between_frames:
                if entry.offset < 0:
                    continue
                await self._write_users(entry.task, entry.offset)
                if LEADER in self.shares.held and entry.task.stale:
                    near = entry.task.take_stale_neighbours(LISTS_AT_REST)
                    commands = neighbour_commands(near, self.shares.ttl_seconds)
                    # No frame stands behind this: nothing that follows from one is to be refused for it.
                    await self.idle_writer.apply_when_available(0, time.time_ns(), commands)

    async def _write_users(self, task: PredictorTask, offset: int) -> None:
        if await self.shares.write(task, offset):
            task.stale.update(dict.fromkeys(task.model.items.ids))

    async def _summarise(self, entry: Partition) -> None:
        task, offset = entry.task, entry.offset
        assert isinstance(task, PredictorTask)
        commands = summary_commands(task.trending(), task.figures(), self.shares.ttl_seconds)
        await self.summary_writer.apply_when_available(0, offset, commands)


class PredictorWorker:
    """Reads the log from where its snapshot ends; joins the shares' group once it is close to the end."""

    def __init__(self, settings: PredictorSettings, redis: Redis) -> None:
        self.settings = settings
        writer = IdempotentWriter(redis, "predictor-items", TRUSTED_LIKES)
        ttl_seconds = round(settings.predictions_ttl_days * 86400)
        self.shares = Shares(settings, redis, ttl_seconds, writer.dependency.when_available)
        store = CheckpointStore(settings.checkpoint_dir, "predictor")
        self.runner = PredictorRunner(
            "predictor",
            lambda _: PredictorTask(settings.partitions),
            store,
            _sends_nothing,
            settings.checkpoint_seconds,
        )
        self.runner.shares = self.shares
        self.runner.writer = writer
        self.runner.waiting, self.runner.requests = [], []
        self.runner.summary_writer = IdempotentWriter(redis, "predictor-summary", TRUSTED_LIKES)
        self.runner.idle_writer = IdempotentWriter(redis, "predictor-idle", TRUSTED_LIKES)
        self.consumer: AIOKafkaConsumer | None = None
        self.producer: AIOKafkaProducer | None = None
        self.caught_up = False
        self.broker = BrokerProbe(settings, lambda: [LOG])
        self.membership = MembershipProbe(
            settings,
            GROUP,
            lambda: {PREFERENCES: settings.partitions},
            lambda: not self.caught_up or bool(self.shares.held),
        )
        self.redis_probe = RedisProbe(settings)
        self._stall = StallWatch()
        self._looked_at = time.monotonic()

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop: then send what is unsent, a last snapshot, leave the group."""
        await self.runner.assign(LOG.partition)
        self.producer = kafka.producer(self.settings)
        await self.producer.start()
        self.consumer = kafka.consumer(self.settings)
        await self.consumer.start()
        self.consumer.assign([LOG])
        self.consumer.seek(LOG, self.runner.partitions[LOG.partition].offset + 1)
        try:
            while not stopping.is_set():
                await self._step()
            await self.runner.checkpoint([LOG.partition])
        finally:
            await self.shares.leave()
            await self.consumer.stop()
            await self.producer.stop()

    async def _step(self) -> None:
        assert self.consumer is not None
        fetched = await self.consumer.getmany(timeout_ms=100, max_records=FRAMES_AT_ONCE)
        for record in fetched.get(LOG, ()):
            await self.runner.handle(LOG.partition, record.offset, record.value, record.headers)
            # The health server, and what is still being sent to Redis, must get their turns.
            await asyncio.sleep(0)
        if fetched:
            await self.runner.publish()
        if not self.caught_up and self.lag() <= CLOSE_FRAMES and LOG in self.broker.ends:
            self.caught_up = True
            self.shares.join(self.producer if self.settings.preferences else None)
        self.shares.check()
        if due := self.runner.due():
            await self.runner.checkpoint(due)
        if not fetched and time.monotonic() - self._looked_at > LOOK_SECONDS:
            await self.runner.look_after_shares()
            self._looked_at = time.monotonic()

    def lag(self) -> int:
        """Frames to the end of the log, as of the last look at the broker."""
        if not self.runner.partitions:
            return 0
        return self.broker.behind(LOG, self.runner.partitions[LOG.partition].offset)

    def ready(self) -> dict[str, str | None]:
        return {
            "broker": self.broker.error,
            "redis": self.redis_probe.error or self.runner.writer.dependency.error,
            "disk": self.runner.disk.error,
            "state": None if self.caught_up else f"{self.lag()} frames to the end of the log",
        }

    def live(self) -> dict[str, str | None]:
        away = [why for name, why in self.ready().items() if name != "state"]
        return {"progress": self._stall.stalled(self.lag(), self.runner.last_progress, away, time.monotonic())}

    def vital(self) -> dict[str, str | None]:
        return {"group": self.membership.out()}

    def samples(self) -> Iterable[Sample | Latency]:
        yield Sample("held_shares", len(self.shares.held), {"stage": "predictor"}, "gauge")
        yield Sample("lag_frames", self.lag(), {"stage": "predictor", "partition": "0"}, "gauge")
        # Every worker learns all likes; counted once, by the leader.
        if LEADER not in self.shares.held:
            return
        for name, value in self.runner.counters().items():
            yield Sample(f"{name}_total", value, {"stage": "predictor"})
        if self.runner.latency.counts.any():
            yield Latency("latency_seconds", self.runner.latency, {"stage": "predictor"})
        for entry in self.runner.partitions.values():
            assert isinstance(entry.task, PredictorTask)
            for name, value in entry.task.model.report().items():
                if isinstance(value, int | float):
                    yield Sample(f"prequential_{name.replace('@', '_at_')}", value, {}, "gauge")


async def _sends_nothing(output: Output) -> asyncio.Future[Any]:
    raise AssertionError(f"the predictor's task has no outputs, but one for {output.topic} came")


async def main(settings: PredictorSettings) -> None:
    redis: Any = redis_connection.connect(settings)
    worker = PredictorWorker(settings, redis)
    health = Health("predictor", worker.ready, worker.live, worker.samples, worker.vital)
    warm_up()
    app = Starlette(routes=health.routes())
    probes = [worker.broker, worker.membership, worker.redis_probe]
    async with Service("predictor", settings, app, health, probes) as service:
        if not await until_available(
            "kafka", lambda: kafka.require_topics(settings, TRUSTED_LIKES, PREFERENCES), service.stopping
        ):
            return
        if not await until_available("redis", redis.ping, service.stopping):
            return
        await worker.run(service.stopping)
        await redis.aclose()
