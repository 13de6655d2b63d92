"""Faust at the rim: agents over frames that acknowledge an offset only once a snapshot holds it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import faust
import structlog
from aiokafka import AIOKafkaProducer, TopicPartition
from faust.auth import SASLCredentials, SSLCredentials
from starlette.applications import Starlette

from shared import kafka
from shared.checkpoints import Fenced
from shared.dependency import until_available
from shared.faust_transport import PromptTransport
from shared.health import Health, Latency, Sample, StallWatch
from shared.membership import MembershipProbe
from shared.probes import BrokerProbe
from shared.service import Service
from shared.settings import ServiceSettings
from shared.stage import SnapshotBudget, StageRunner
from shared.topics import TOPICS

log = structlog.get_logger()

SHUTDOWN_SECONDS = 6.0


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


class FaustStages:
    """A worker with one agent a stage. `run` lives until SIGTERM: then snapshot, acknowledge, leave the group."""

    def __init__(self, name: str, settings: ServiceSettings) -> None:
        self.name = name
        self.settings = settings
        # What this worker needs besides the broker and a disk, by name.
        self.needs: dict[str, Callable[[], str | None]] = {}
        self.producer: AIOKafkaProducer | None = None
        self.bindings: list[Binding] = []
        self.budget = SnapshotBudget()
        self.failure: BaseException | None = None
        self.app = App(
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
        self.app.transport = PromptTransport(self.app.conf.broker, self.app, self.app.loop)
        self.broker = BrokerProbe(settings, self._places)
        self.membership = MembershipProbe(
            settings, self.app.conf.id, lambda: {b.topic: self._count(b.topic) for b in self.bindings}, self._holds
        )
        self._stall = StallWatch()
        self.app.on_partitions_assigned.connect(self._assigned)
        self.app.on_partitions_revoked.connect(self._revoked)
        self._stopping: asyncio.Event | None = None

    async def send(self, output: Any) -> asyncio.Future[Any]:
        assert self.producer is not None
        return await kafka.send(self.producer, output)

    def add(self, topic: str, runner: StageRunner) -> None:
        """An agent that feeds `runner` from `topic`."""
        runner.budget = self.budget
        binding = Binding(topic, runner, {})
        self.bindings.append(binding)
        channel = self.app.topic(
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
                    # Snapshots may be far apart, and what is to be acknowledged is no more than an offset.
                    message.value = event.value = None
                except Exception as error:
                    self._fail(error)
                    raise

        self.app.agent(channel, name=f"{self.name}.{runner.name}")(consume)

    def _count(self, topic: str) -> int:
        return self.settings.partitions if next(t.keyed for t in TOPICS if t.name == topic) else 1

    def _fail(self, error: BaseException) -> None:
        # A stage that cannot process a frame must not skip it: the process ends, a restart replays.
        log.error("stage failed", error=repr(error))
        self.failure = error
        if self._stopping is not None:
            self._stopping.set()

    async def _assigned(self, _: Any, assigned: Iterable[Any], **__: Any) -> None:
        for tp in sorted(assigned):
            for binding in self._reading(tp.topic):
                await binding.runner.assign(tp.partition)
                binding.unacknowledged[tp.partition] = []

    async def _revoked(self, _: Any, revoked: Iterable[Any], **__: Any) -> None:
        held = [
            (binding, tp.partition)
            for tp in sorted(revoked)
            for binding in self._reading(tp.topic)
            if tp.partition in binding.runner.partitions
        ]

        async def leave() -> None:
            for binding, partition in held:
                await self._checkpoint(binding, [partition])

        try:
            # The group waits no longer; what is not saved by then is replayed by who comes next.
            await asyncio.wait_for(leave(), kafka.SESSION_SECONDS / 2)
        except TimeoutError:
            log.warning("partitions left without a last snapshot")
        for binding, partition in held:
            binding.runner.drop(partition)

    async def _checkpoint(self, binding: Binding, partitions: Iterable[int]) -> None:
        """Snapshot and acknowledge; a partition that another worker has taken is let go."""
        for partition in partitions:
            try:
                binding.acknowledge(self.app.consumer, await binding.runner.checkpoint([partition]))
            except Fenced as error:
                log.warning("partition let go", stage=binding.runner.name, partition=partition, error=str(error))
                binding.runner.drop(partition)

    def _reading(self, topic: str) -> list[Binding]:
        return [b for b in self.bindings if b.topic == topic]

    def _holds(self) -> bool:
        return any(b.runner.partitions for b in self.bindings)

    def _places(self) -> list[TopicPartition]:
        return [TopicPartition(b.topic, partition) for b in self.bindings for partition in b.runner.partitions]

    def lag(self) -> dict[tuple[str, int], int]:
        """Messages behind, by stage and partition, as of the last look at the broker."""
        behind = {}
        for binding in self.bindings:
            for partition, entry in binding.runner.partitions.items():
                place = TopicPartition(binding.topic, partition)
                behind[binding.runner.name, partition] = self.broker.behind(place, entry.offset)
        return behind

    def ready(self) -> dict[str, str | None]:
        return {
            "broker": self.broker.error,
            "partitions": None if self._holds() else "none assigned",
            "disk": next((b.runner.disk.error for b in self.bindings if b.runner.disk.error), None),
            **{name: error() for name, error in self.needs.items()},
        }

    def live(self) -> dict[str, str | None]:
        latest = max((b.runner.last_progress for b in self.bindings), default=0.0)
        behind = sum(self.lag().values())
        return {"progress": self._stall.stalled(behind, latest, self.ready().values(), time.monotonic())}

    def vital(self) -> dict[str, str | None]:
        return {"group": self.membership.out()}

    def samples(self) -> Iterable[Sample | Latency]:
        for binding in self.bindings:
            stage = binding.runner.name
            for name, value in binding.runner.counters().items():
                yield Sample(f"{name}_total", value, {"stage": stage})
            if binding.runner.latency.counts.any():
                yield Latency("latency_seconds", binding.runner.latency, {"stage": stage})
        for (stage, partition), frames in self.lag().items():
            yield Sample("lag_frames", frames, {"stage": stage, "partition": str(partition)}, "gauge")

    async def run(self) -> None:
        """Start, work until told to stop, stop cleanly. Raises what made a stage fail."""
        health = Health(self.name, self.ready, self.live, self.samples, self.vital)
        app = Starlette(routes=health.routes())
        async with Service(self.name, self.settings, app, health, [self.broker, self.membership]) as service:
            self._stopping = service.stopping
            topics = [b.topic for b in self.bindings]
            if not await until_available(
                "kafka", lambda: kafka.require_topics(self.settings, *topics), service.stopping
            ):
                return
            self.producer = kafka.producer(self.settings)
            await self.producer.start()
            await self.app.start()
            try:
                await self._checkpoint_until(service.stopping)
            finally:
                await self._shut_down()
        if self.failure is not None:
            raise self.failure

    async def _checkpoint_until(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            try:
                await asyncio.wait_for(stopping.wait(), 0.25)
            except TimeoutError:
                # An exception of Faust's own, in a consumer's thread for instance, only marks the app.
                if self.app.crashed:
                    raise self.app.crash_reason or RuntimeError("Faust stopped") from None
                for binding in self.bindings:
                    await self._checkpoint(binding, binding.runner.due())

    async def _checkpoint_all(self) -> None:
        for binding in self.bindings:
            await self._checkpoint(binding, list(binding.runner.partitions))
            binding.runner.partitions.clear()
        await self.app.consumer.commit()

    async def _shut_down(self) -> None:
        if self.failure is None:
            try:
                await asyncio.wait_for(self._checkpoint_all(), SHUTDOWN_SECONDS)
            except TimeoutError:
                # A dependency is away; what was not snapshot is replayed after the next start.
                log.warning("stopped without a last snapshot", seconds=SHUTDOWN_SECONDS)
        await self.app.stop()
        assert self.producer is not None
        await self.producer.stop()
