"""Ingest: `likes.v1` and HTTP in, frames by actor and rejections out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError

from services.ingest.framing import FrameBuilder
from services.ingest.http import Gate, build_app
from services.ingest.intake import Intake
from services.ingest.registry import SchemaRegistry, client
from services.ingest.settings import IngestSettings
from services.ingest.sources import Sources
from shared import kafka, rejections
from shared.checkpoints import Checkpoint, CheckpointStore, Fenced
from shared.contract.decode import Message, Rejection
from shared.dependency import Dependency, until_available
from shared.frames import Output
from shared.health import Health, Latency, Sample, StallWatch
from shared.membership import MembershipProbe
from shared.probes import BrokerProbe
from shared.service import Service
from shared.topics import INGEST_GROUP, LIKES, LIKES_REJECTED

log = structlog.get_logger()

FETCHED_AT_ONCE = 4000
# A fetch that finds nothing is answered within milliseconds; one that is not tells nothing of the partition's end.
FETCH_IS_LATE_MS = 2000


class IngestWorker(ConsumerRebalanceListener):  # type: ignore[misc]
    """Reads batches, passes them through each partition's `Intake`, and commits behind snapshots."""

    def __init__(self, settings: IngestSettings, gate: Gate) -> None:
        self.settings = settings
        self.gate = gate
        self.store = CheckpointStore(settings.checkpoint_dir, "ingest")
        self.intakes: dict[int, Intake] = {}
        self.offsets: dict[int, int] = {}
        self.builder = FrameBuilder(settings.partitions, settings.ingest_frame_rows)
        self.sources = Sources(settings.partitions, settings.ingest_idle_seconds, settings.event_time_speed)
        self.consumer: AIOKafkaConsumer | None = None
        self.producer: AIOKafkaProducer | None = None
        self.pending: list[asyncio.Future[Any]] = []
        self.failure: Exception | None = None
        self.closed_at = self.saved_at = self.progressed_at = time.monotonic()
        # A snapshot is taken between batches, never while one is taken in: a rebalance may ask for it at any moment.
        self._between_batches = asyncio.Lock()
        self.disk = Dependency("disk", OSError)
        self.registry = SchemaRegistry(client(settings))
        self.broker = BrokerProbe(settings, self._places)
        self.membership = MembershipProbe(
            settings, INGEST_GROUP, lambda: {LIKES: settings.partitions}, lambda: bool(self.intakes)
        )
        self._stall = StallWatch()

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(LIKES, partition) for partition in self.intakes]

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        if self.intakes:
            try:
                # The group waits no longer; what is not saved by then is read again by who comes next.
                await asyncio.wait_for(self.save(), kafka.SESSION_SECONDS / 2)
            except TimeoutError:
                log.warning("partitions left without a last snapshot")
        for tp in revoked:
            self._let_go(tp.partition)

    def _let_go(self, partition: int) -> None:
        self.intakes.pop(partition, None)
        self.offsets.pop(partition, None)
        self.sources.drop(partition)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        try:
            await self._take_over(assigned)
        except Exception as error:
            # aiokafka would log it, and go on without anybody who reads these partitions.
            self.failure = error
            raise

    async def _take_over(self, assigned: Iterable[TopicPartition]) -> None:
        assert self.consumer is not None
        for tp in sorted(assigned):
            intake = Intake(self.settings.ingest_remembered_ids, self.settings.ingest_undoable_messages)
            saved = await self.disk.when_available(partial(asyncio.to_thread, self.store.acquire, tp.partition))
            if saved is not None:
                intake.restore(saved.arrays)
                intake.counters.update(saved.facts["counters"])
            # Without a snapshot everything is read again: what was sent before is ignored downstream.
            position = saved.offset + 1 if saved is not None else 0
            self.consumer.seek(tp, position)
            self.intakes[tp.partition], self.offsets[tp.partition] = intake, position - 1
            self.sources.take(tp.partition, intake.latest_event_ms, time.monotonic())
            log.info("partition assigned", partition=tp.partition, from_offset=position)

    async def step(self) -> None:
        """One turn: read, take, and close frames that are due."""
        assert self.consumer is not None
        if self.failure is not None:
            raise self.failure
        fetched = await self.consumer.getmany(timeout_ms=self.settings.ingest_frame_ms, max_records=FETCHED_AT_ONCE)
        now = time.monotonic()
        async with self._between_batches:
            for tp, records in fetched.items():
                if tp.partition in self.intakes:
                    await self._take(tp.partition, records, now)
            self._note_what_is_not_idle(now)
            aged = now - self.closed_at >= self.settings.ingest_frame_ms / 1000
            if self.builder.full or (aged and not self.builder.empty):
                await self._close(now)
            elif self.sources.tick_due(now):
                await self._close(now, always=True)
                self.sources.ticked(now)
        if now - self.saved_at >= self.settings.checkpoint_seconds:
            await self.save()

    async def _take(self, partition: int, records: Sequence[Any], now: float) -> None:
        intake = self.intakes[partition]
        messages = [_message(r) for r in records]
        await self.registry.fetch(messages)
        taken = intake.take(messages, self.registry.readers)
        self.builder.add(taken.likes)
        self.offsets[partition] = records[-1].offset
        self.sources.read(partition, intake.latest_event_ms, now)
        self.progressed_at = now
        for rejection in taken.rejections:
            await self._send(_to_output(rejection))

    def _note_what_is_not_idle(self, now: float) -> None:
        """A partition is idle only if the broker said lately that it has nothing more: one whose leader is lost, or
        whose likes wait here, is not.
        """
        assert self.consumer is not None
        for partition, offset in self.offsets.items():
            place = TopicPartition(LIKES, partition)
            fetched_at = self.consumer.last_poll_timestamp(place)
            known = fetched_at is not None and time.time() * 1000 - fetched_at < FETCH_IS_LATE_MS
            if not known or (self.consumer.highwater(place) or 0) > offset + 1:
                self.sources.wait_for(partition, now)

    async def _close(self, now: float, always: bool = False) -> None:
        for output in self.builder.close(self.sources.progress(now), always):
            await self._send(output)
        self.closed_at = now
        self.pending = [f for f in self.pending if not (f.done() and f.result())]

    async def _send(self, output: Output) -> None:
        assert self.producer is not None
        self.pending.append(await kafka.send(self.producer, output))

    async def save(self) -> None:
        """Send what is collected, wait for the broker, snapshot, then commit."""
        async with self._between_batches:
            await self._close(time.monotonic())
            pending, self.pending = self.pending, []
            await asyncio.gather(*pending)
            commits = {}
            for partition, intake in list(self.intakes.items()):
                offset = self.offsets[partition]
                if offset < 0:
                    continue
                try:
                    await self.disk.when_available(partial(self._snapshot, partition, intake, offset))
                except Fenced as error:
                    log.warning("partition let go", partition=partition, error=str(error))
                    self._let_go(partition)
                else:
                    commits[TopicPartition(LIKES, partition)] = offset + 1
            await self._commit(commits)
            self.saved_at = time.monotonic()

    async def _snapshot(self, partition: int, intake: Intake, offset: int) -> None:
        if self.intakes.get(partition) is not intake:
            raise Fenced(f"ingest/{partition} was given away while it waited for the disk")
        facts, token = {"counters": dict(intake.counters)}, self.store.fencing_tokens.get(partition)
        await asyncio.to_thread(self.store.save, partition, Checkpoint(offset, intake.snapshot(), facts), token)

    async def _commit(self, offsets: dict[TopicPartition, int]) -> None:
        assert self.consumer is not None
        if offsets:
            try:
                await self.consumer.commit(offsets)
            except CommitFailedError:
                # The group has moved on; who has the partitions now starts from the snapshots.
                log.warning("offsets not committed: the group has changed")

    def lag(self) -> dict[int, int]:
        """Likes behind by partition, as of the last look at the broker."""
        return {p: self.broker.behind(TopicPartition(LIKES, p), offset) for p, offset in self.offsets.items()}

    def ready(self) -> dict[str, str | None]:
        return {
            "broker": self.broker.error,
            "partitions": None if self.intakes else "none assigned",
            "disk": self.disk.error,
            "schema registry": self.registry.dependency.error,
        }

    def live(self) -> dict[str, str | None]:
        behind = sum(self.lag().values())
        stalled = self._stall.stalled(behind, self.progressed_at, self.ready().values(), time.monotonic())
        return {"progress": stalled}

    def vital(self) -> dict[str, str | None]:
        return {"group": self.membership.out()}

    def samples(self) -> Iterable[Sample | Latency]:
        totals: dict[str, int] = dict(self.gate.counters)
        for intake in self.intakes.values():
            for name, value in intake.counters.items():
                totals[name] = totals.get(name, 0) + value
        for name, value in totals.items():
            yield Sample(f"{name}_total", value, {"stage": "ingest"})
        for partition, likes in self.lag().items():
            yield Sample("lag_likes", likes, {"stage": "ingest", "partition": str(partition)}, "gauge")


def _message(record: Any) -> Message:
    # A producer may send none (-1, or 0): then it was received now.
    timestamp = record.timestamp if record.timestamp > 0 else int(time.time() * 1000)
    return Message(record.value, record.partition, record.offset, timestamp, dict(record.headers), record.key)


def _to_output(rejection: Rejection) -> Output:
    message = rejection.message
    return rejections.to_output(rejection, f"{LIKES}/{message.partition}/{message.offset}")


async def main(settings: IngestSettings) -> None:
    gate = Gate(settings)
    worker = IngestWorker(settings, gate)
    health = Health("ingest", worker.ready, worker.live, worker.samples, worker.vital)
    probes = [worker.broker, worker.membership]
    async with Service("ingest", settings, build_app(gate, health), health, probes) as service:
        if not await until_available(
            "kafka", lambda: kafka.require_topics(settings, LIKES, LIKES_REJECTED), service.stopping
        ):
            return
        worker.producer = kafka.producer(settings)
        worker.consumer = kafka.consumer(settings, group=INGEST_GROUP)
        await worker.producer.start()
        gate.producer = worker.producer
        worker.consumer.subscribe([LIKES], listener=worker)
        await worker.consumer.start()
        try:
            while not service.stopping.is_set():
                await worker.step()
        finally:
            gate.producer = None
            if service.stopping.is_set():
                await worker.save()
            await worker.consumer.stop()
            await worker.producer.stop()
            await worker.registry.close()
