"""Ingest: `likes.v1` and HTTP in, frames by actor and rejections out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError
from starlette.types import ASGIApp

from services.ingest.http import Gate, build_app
from services.ingest.registry import SchemaRegistry, client
from services.ingest.runner import IngestRunner, warm_up
from services.ingest.settings import IngestSettings
from shared import kafka
from shared.frames import Output
from shared.health import Health, Latency, Sample
from shared.topics import INGEST_GROUP, LIKES, LIKES_REJECTED
from shared.worker import Worker

log = structlog.get_logger()

FETCHED_AT_ONCE = 4000
# A fetch that finds nothing is answered within milliseconds; one that is not tells nothing of the partition's end.
FETCH_IS_LATE_MS = 2000


class IngestWorker(Worker, ConsumerRebalanceListener):  # type: ignore[misc]
    """Reads batches, passes them through each partition's `Intake`, and commits behind snapshots."""

    def __init__(self, settings: IngestSettings) -> None:
        super().__init__("ingest", settings, [LIKES, LIKES_REJECTED])
        self.gate = Gate(settings)
        self.registry = SchemaRegistry(client(settings))
        self.runner = IngestRunner(settings, self._send, self.registry)
        self.in_group(INGEST_GROUP, lambda: {LIKES: settings.partitions}, lambda: bool(self.runner.held))
        self.failure: Exception | None = None
        self._timeout_ms = settings.ingest_frame_ms
        self._producer: AIOKafkaProducer | None = None
        self._consumer: AIOKafkaConsumer | None = None

    def app(self, health: Health) -> ASGIApp:
        return build_app(self.gate, health)

    def positions(self) -> dict[TopicPartition, int]:
        return {TopicPartition(LIKES, p): entry.offset for p, entry in self.runner.held.items()}

    async def _send(self, output: Output) -> asyncio.Future[Any]:
        assert self._producer is not None
        return await kafka.send(self._producer, output)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        assert self._consumer is not None
        try:
            for tp in sorted(assigned):
                await self.runner.assign(tp.partition)
                # Without a snapshot everything is read again: what was sent before is ignored downstream.
                self._consumer.seek(tp, self.runner.held[tp.partition].offset + 1)
        except Exception as error:
            # aiokafka would log it, and go on without anybody who reads these partitions.
            self.failure = error
            raise

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        lost = [tp.partition for tp in revoked]
        try:
            # The group waits no longer; what is not saved by then is read again by who comes next.
            await asyncio.wait_for(self._save(lost), kafka.SESSION_SECONDS / 2)
        except TimeoutError:
            log.warning("partitions left without a last snapshot")
        for partition in lost:
            self.runner.drop(partition)

    async def _save(self, partitions: Iterable[int]) -> None:
        """Snapshots, then commits."""
        done = await self.runner.checkpoint_held(partitions)
        if done:
            assert self._consumer is not None
            try:
                await self._consumer.commit({TopicPartition(LIKES, p): offset + 1 for p, offset in done.items()})
            except CommitFailedError:
                # The group has moved on; who has the partitions now starts from the snapshots.
                log.warning("offsets not committed: the group has changed")

    async def start(self) -> None:
        self._producer = kafka.producer(self.settings)
        self._consumer = kafka.consumer(self.settings, group=INGEST_GROUP)
        await self._producer.start()
        self.gate.producer = self._producer
        self._consumer.subscribe([LIKES], listener=self)
        await self._consumer.start()

    async def step(self) -> None:
        """One turn: read, take in, close frames that are due."""
        assert self._consumer is not None
        if self.failure is not None:
            raise self.failure
        fetched = await self._consumer.getmany(timeout_ms=self._timeout_ms, max_records=FETCHED_AT_ONCE)
        now = time.monotonic()
        for tp, records in fetched.items():
            await self.runner.take(tp.partition, records, now)
            self.progressed_at = now
            # HTTP callers, and what is being sent, get their turns.
            await asyncio.sleep(0)
        self._note_what_is_not_idle(now)
        await self.runner.close_due(now)
        await self._save(self.runner.due())

    def _note_what_is_not_idle(self, now: float) -> None:
        """A partition is idle only if the broker said lately that it has nothing more: one whose leader is lost, or
        whose likes wait here, is not.
        """
        assert self._consumer is not None
        for place, offset in self.positions().items():
            fetched_at = self._consumer.last_poll_timestamp(place)
            known = fetched_at is not None and time.time() * 1000 - fetched_at < FETCH_IS_LATE_MS
            if not known or (self._consumer.highwater(place) or 0) > offset + 1:
                self.runner.sources.wait_for(place.partition, now)

    async def stop(self, in_order: bool) -> None:
        self.gate.producer = None
        if in_order:
            await self._save(list(self.runner.held))
        for client_ in (self._consumer, self._producer):
            if client_ is not None:
                await client_.stop()
        await self.registry.close()

    def missing(self) -> dict[str, str | None]:
        return {
            "partitions": None if self.runner.held else "none assigned",
            "disk": self.runner.disk.error,
            "schema registry": self.registry.dependency.error,
        }

    def samples(self) -> Iterable[Sample | Latency]:
        for name, value in (self.gate.counters | self.runner.counters()).items():
            yield Sample(f"{name}_total", value, {"stage": "ingest"})
        for place, likes in self.lag().items():
            yield Sample("lag_likes", likes, {"stage": "ingest", "partition": str(place.partition)}, "gauge")


async def main(settings: IngestSettings) -> None:
    warm_up()
    await IngestWorker(settings).run()
