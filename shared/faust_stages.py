"""Faust at the rim: agents over frames that acknowledge an offset only once a snapshot holds it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import faust
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from faust.auth import SASLCredentials, SSLCredentials
from redis.asyncio import Redis

from shared import kafka
from shared.background import BackgroundJob
from shared.batches import BatchProducer
from shared.faust_transport import PromptTransport
from shared.health import Latency, Sample
from shared.idempotent_redis import IdempotentWriter
from shared.partitions import SnapshotBudget
from shared.settings import ServiceSettings
from shared.stage import StageRunner
from shared.topics import SINGLE
from shared.worker import Worker

log = structlog.get_logger()

SHUTDOWN_SECONDS = 6.0
# How often to look which snapshots are due.
LOOK_SECONDS = 0.25


def _credentials(settings: ServiceSettings) -> Any:
    """What `kafka.security` says, in Faust's words; None where brokers ask for nothing."""
    found = kafka.security(settings)
    context = found.get("ssl_context")
    if "sasl_mechanism" not in found:
        return SSLCredentials(context) if context is not None else None
    return SASLCredentials(
        username=found["sasl_plain_username"],
        password=found["sasl_plain_password"],
        mechanism=found["sasl_mechanism"],
        ssl_context=context,
    )


@dataclass
class Binding:
    """A stage and the topic that it reads, with the messages it has handled but not yet acknowledged."""

    topic: str
    runner: StageRunner
    unacknowledged: dict[int, list[Any]]

    def acknowledge(self, consumer: Any, done: dict[int, int]) -> None:
        for partition, offset in done.items():
            messages = self.unacknowledged.get(partition, [])
            for message in messages:
                if message.offset <= offset:
                    message.ack(consumer)
            self.unacknowledged[partition] = [m for m in messages if m.offset > offset]


class App(faust.App):  # type: ignore[misc]
    """Faust without its folder for tables: there are none, and the working directory is nobody's to write to."""

    def _create_directories(self) -> None:
        pass


class FaustStages(Worker):
    """A worker with one agent a stage. At its end: snapshot, acknowledge, leave the group."""

    def __init__(self, name: str, settings: ServiceSettings) -> None:
        super().__init__(name, settings, [])
        # What this worker needs besides the broker and a disk, by name.
        self.needs: dict[str, Callable[[], str | None]] = {}
        self.producer: AIOKafkaProducer | None = None
        self.bindings: list[Binding] = []
        self.runners: list[StageRunner] = []
        # What is done beside the stages now and then.
        self.jobs: list[BackgroundJob] = []
        self.budget = SnapshotBudget()
        self.failure: BaseException | None = None
        self.faust = _app(name, settings)
        self.faust.on_partitions_assigned.connect(self._assigned)
        self.faust.on_partitions_revoked.connect(self._revoked)
        self.in_group(
            self.faust.conf.id,
            lambda: {b.topic: self._count(b.topic) for b in self.bindings},
            self._holds,
        )

    async def send(self, output: Any) -> asyncio.Future[Any]:
        assert self.producer is not None
        return await kafka.send(self.producer, output)

    async def send_many(self, topic: str, partition: int, messages: Mapping[str, bytes]) -> None:
        """Send messages by key, and wait until the broker has them. Raises KafkaError."""
        assert self.producer is not None
        batches = BatchProducer(self.producer, topic, self._count(topic))
        keys = [key.encode() for key in messages]
        await batches.send(keys, list(messages.values()), int(time.time() * 1000), [partition] * len(keys))
        await batches.flush()

    def add(self, topic: str, runner: StageRunner) -> None:
        """An agent that feeds `runner` from `topic`. A runner that joins several topics is added once for each: Faust
        hands out topics with equally many partitions together, partition p of all to one member.
        """
        if runner not in self.runners:
            runner.budget = self.budget
            self.runners.append(runner)
        binding = Binding(topic, runner, {})
        self.bindings.append(binding)
        self.topics = [*self.topics, topic]
        channel = self.faust.topic(
            topic,
            value_serializer="raw",
            key_serializer="raw",
            value_type=bytes,
            partitions=self._count(topic),
        )

        async def consume(stream: Any) -> None:
            async for event in stream.noack().events():
                message = event.message
                binding.unacknowledged.setdefault(message.partition, []).append(message)
                try:
                    await runner.take(topic, message.partition, message.offset, message.value, message.headers)
                    self.progressed_at = runner.last_progress
                    # Snapshots may be far apart, and what is to be acknowledged is no more than an offset.
                    message.value = event.value = None
                except Exception as error:
                    # A stage that cannot process a frame must not skip it: the process ends, a restart replays.
                    log.error("stage failed", error=repr(error))
                    self.failure = error
                    raise

        self.faust.agent(channel, name=f"{self.name}.{runner.name}.{topic}")(consume)

    def needs_redis(self, redis: Redis, *writers: IdempotentWriter) -> None:
        """To start, and to work; these writers, and those of its jobs, know of it."""
        self.awaited["redis"] = redis.ping
        used = [*writers, *(job.writer for job in self.jobs)]
        self.needs["redis"] = lambda: next((w.dependency.error for w in used if w.dependency.error), None)

    def _count(self, topic: str) -> int:
        return 1 if topic in SINGLE else self.settings.partitions

    async def _assigned(self, _: Any, assigned: Iterable[Any], **__: Any) -> None:
        for tp in assigned:
            for binding in self._reading(tp.topic):
                binding.unacknowledged[tp.partition] = []
        coming = self._read_by(assigned)
        for runner, partition in coming:
            runner.expect([partition])
        for runner, partition in coming:
            await runner.assign(partition)

    async def _revoked(self, _: Any, revoked: Iterable[Any], **__: Any) -> None:
        lost = [(runner, partition) for runner, partition in self._read_by(revoked) if partition in runner.held]

        async def save() -> None:
            for runner, partition in lost:
                await self._checkpoint(runner, [partition])

        try:
            # The group waits no longer; what is not saved by then is replayed by who comes next.
            await asyncio.wait_for(save(), kafka.SESSION_SECONDS / 2)
        except TimeoutError:
            log.warning("partitions left without a last snapshot")
        for runner, partition in lost:
            runner.drop(partition)

    async def _checkpoint(self, runner: StageRunner, partitions: Iterable[int]) -> None:
        done = await runner.checkpoint_held(partitions)
        for binding in self.bindings:
            if binding.runner is runner:
                of_topic = {p: runner.done_in(binding.topic, p, offset) for p, offset in done.items()}
                binding.acknowledge(self.faust.consumer, of_topic)

    def _holds(self) -> bool:
        return any(runner.held for runner in self.runners)

    def _reading(self, topic: str) -> list[Binding]:
        return [b for b in self.bindings if b.topic == topic]

    def _read_by(self, places: Iterable[Any]) -> list[tuple[StageRunner, int]]:
        """Which partitions of which runners these are, each once."""
        found = ((b.runner, tp.partition) for tp in sorted(places) for b in self._reading(tp.topic))
        return list(dict.fromkeys(found))

    def positions(self) -> dict[TopicPartition, int]:
        return {
            TopicPartition(b.topic, partition): b.runner.position(b.topic, partition)
            for b in self.bindings
            for partition in b.runner.held
        }

    def missing(self) -> dict[str, str | None]:
        return {
            "partitions": None if self._holds() else "none assigned",
            "disk": next((runner.disk.error for runner in self.runners if runner.disk.error), None),
            **{name: error() for name, error in self.needs.items()},
        }

    def _note_what_waits(self) -> None:
        """Where all that is left to read waits for a topic with nothing to read, nothing stands still."""
        waits = {TopicPartition(b.topic, p) for b in self.bindings for p in b.runner.held if b.runner.waits(b.topic, p)}
        if waits and waits >= {place for place, messages in self.lag().items() if messages}:
            self.progressed_at = time.monotonic()

    def samples(self) -> Iterable[Sample | Latency]:
        lag = self.lag()
        for runner in self.runners:
            for name, value in runner.counters().items():
                yield Sample(f"{name}_total", value, {"stage": runner.name})
            if runner.latency.counts.any():
                yield Latency("latency_seconds", runner.latency, {"stage": runner.name})
            for partition in runner.held:
                frames = sum(lag[TopicPartition(b.topic, partition)] for b in self.bindings if b.runner is runner)
                yield Sample("lag_frames", frames, {"stage": runner.name, "partition": str(partition)}, "gauge")

    async def start(self) -> None:
        self.producer = kafka.producer(self.settings)
        await self.producer.start()
        await self.faust.start()

    async def step(self) -> None:
        await asyncio.sleep(LOOK_SECONDS)
        if self.failure is not None:
            raise self.failure
        # An exception of Faust's own, in a consumer's thread for instance, only marks the app.
        if self.faust.crashed:
            raise self.faust.crash_reason or RuntimeError("Faust stopped")
        self._note_what_waits()
        for runner in self.runners:
            await self._checkpoint(runner, runner.due())
        for job in self.jobs:
            job.look()

    async def _checkpoint_all(self) -> None:
        for runner in self.runners:
            await self._checkpoint(runner, list(runner.held))
            runner.held.clear()
        await self.faust.consumer.commit()

    async def stop(self, in_order: bool) -> None:
        for job in self.jobs:
            await job.stop()
        if in_order and self.failure is None:
            try:
                await asyncio.wait_for(self._checkpoint_all(), SHUTDOWN_SECONDS)
            except TimeoutError:
                # A dependency is away; what was not snapshot is replayed after the next start.
                log.warning("stopped without a last snapshot", seconds=SHUTDOWN_SECONDS)
        await self.faust.stop()
        if self.producer is not None:
            await self.producer.stop()


def _app(name: str, settings: ServiceSettings) -> App:
    app = App(
        f"truelike-{name}",
        broker=[f"kafka://{host}" for host in settings.kafka_bootstrap_servers.split(",")],
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        broker_session_timeout=kafka.SESSION_SECONDS,
        broker_heartbeat_interval=kafka.HEARTBEAT_SECONDS,
        broker_rebalance_timeout=kafka.SESSION_SECONDS,
        broker_commit_interval=1.0,
        broker_max_poll_interval=float(kafka.LONGEST_SILENCE_SECONDS),
        consumer_metadata_max_age_ms=kafka.METADATA_SECONDS * 1000,
        consumer_max_fetch_size=kafka.MAX_MESSAGE_BYTES,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=32,
        autodiscover=False,
        # What is not acknowledged is replayed; waiting for it would only delay the shutdown.
        stream_wait_empty=False,
        broker_credentials=_credentials(settings),
    )
    app.transport = PromptTransport(app.conf.broker, app, app.loop)
    return app
