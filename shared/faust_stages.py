"""Faust at the rim: agents over frames that acknowledge an offset only once a snapshot holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import faust
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from faust.auth import SASLCredentials, SSLCredentials

from shared import kafka
from shared.faust_transport import PromptTransport
from shared.health import Latency, Sample
from shared.partitions import SnapshotBudget
from shared.settings import ServiceSettings
from shared.stage import StageRunner
from shared.topics import TOPICS
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

    def add(self, topic: str, runner: StageRunner) -> None:
        """An agent that feeds `runner` from `topic`."""
        runner.budget = self.budget
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
                    await runner.handle(message.partition, message.offset, message.value, message.headers)
                    self.progressed_at = runner.last_progress
                    # Snapshots may be far apart, and what is to be acknowledged is no more than an offset.
                    message.value = event.value = None
                except Exception as error:
                    # A stage that cannot process a frame must not skip it: the process ends, a restart replays.
                    log.error("stage failed", error=repr(error))
                    self.failure = error
                    raise

        self.faust.agent(channel, name=f"{self.name}.{runner.name}")(consume)

    def _count(self, topic: str) -> int:
        return self.settings.partitions if next(t.keyed for t in TOPICS if t.name == topic) else 1

    async def _assigned(self, _: Any, assigned: Iterable[Any], **__: Any) -> None:
        coming = [(binding, tp.partition) for tp in sorted(assigned) for binding in self._reading(tp.topic)]
        for binding, partition in coming:
            binding.runner.expect([partition])
            binding.unacknowledged[partition] = []
        for binding, partition in coming:
            await binding.runner.assign(partition)

    async def _revoked(self, _: Any, revoked: Iterable[Any], **__: Any) -> None:
        lost = [
            (binding, tp.partition)
            for tp in sorted(revoked)
            for binding in self._reading(tp.topic)
            if tp.partition in binding.runner.held
        ]

        async def save() -> None:
            for binding, partition in lost:
                await self._checkpoint(binding, [partition])

        try:
            # The group waits no longer; what is not saved by then is replayed by who comes next.
            await asyncio.wait_for(save(), kafka.SESSION_SECONDS / 2)
        except TimeoutError:
            log.warning("partitions left without a last snapshot")
        for binding, partition in lost:
            binding.runner.drop(partition)

    async def _checkpoint(self, binding: Binding, partitions: Iterable[int]) -> None:
        binding.acknowledge(self.faust.consumer, await binding.runner.checkpoint_held(partitions))

    def _holds(self) -> bool:
        return any(b.runner.held for b in self.bindings)

    def _reading(self, topic: str) -> list[Binding]:
        return [b for b in self.bindings if b.topic == topic]

    def positions(self) -> dict[TopicPartition, int]:
        return {
            TopicPartition(b.topic, partition): entry.offset
            for b in self.bindings
            for partition, entry in b.runner.held.items()
        }

    def missing(self) -> dict[str, str | None]:
        return {
            "partitions": None if self._holds() else "none assigned",
            "disk": next((b.runner.disk.error for b in self.bindings if b.runner.disk.error), None),
            **{name: error() for name, error in self.needs.items()},
        }

    def samples(self) -> Iterable[Sample | Latency]:
        lag = self.lag()
        for binding in self.bindings:
            stage = binding.runner.name
            for name, value in binding.runner.counters().items():
                yield Sample(f"{name}_total", value, {"stage": stage})
            if binding.runner.latency.counts.any():
                yield Latency("latency_seconds", binding.runner.latency, {"stage": stage})
            for partition in binding.runner.held:
                frames = lag[TopicPartition(binding.topic, partition)]
                yield Sample("lag_frames", frames, {"stage": stage, "partition": str(partition)}, "gauge")

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
        for binding in self.bindings:
            await self._checkpoint(binding, binding.runner.due())

    async def _checkpoint_all(self) -> None:
        for binding in self.bindings:
            await self._checkpoint(binding, list(binding.runner.held))
            binding.runner.held.clear()
        await self.faust.consumer.commit()

    async def stop(self, in_order: bool) -> None:
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
