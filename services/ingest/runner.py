"""Partitions of a topic that others write, on their way into frames by actor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
import pyarrow as pa

from services.ingest.framing import EXPOSURES_FRAMING, LIKES_FRAMING, FrameBuilder, Framing
from services.ingest.intake import Intake
from services.ingest.registry import SchemaRegistry
from services.ingest.settings import IngestSettings
from services.ingest.slate_intake import SlateIntake
from services.ingest.sources import Sources
from shared import rejections
from shared.checkpoints import CheckpointStore
from shared.contract.confluent import Reader
from shared.contract.decode import Message, Rejection
from shared.frames import Output, Progress
from shared.partitions import Partition, Partitions, State
from shared.stage import Send
from shared.topics import EXPOSURES, EXPOSURES_REJECTED, LIKES, LIKES_REJECTED


class Taken(Protocol):
    """What messages came to: rows to pass on, and those refused."""

    @property
    def rows(self) -> pa.RecordBatch: ...

    @property
    def rejections(self) -> tuple[Rejection, ...]: ...


class TopicIntake(State, Protocol):
    """The state of one partition."""

    latest_event_ms: int

    def take(self, messages: Sequence[Message], readers: Mapping[int, Reader] | None = None) -> Taken: ...


@dataclass(frozen=True)
class Source:
    """A topic that is taken in. `state`: the name that its snapshots go by; `at_once`: how many messages may be taken
    in one piece, for the time that takes.
    """

    topic: str
    rejected: str
    state: str
    at_once: int
    framing: Framing
    new_intake: Callable[[IngestSettings], TopicIntake]


LIKES_SOURCE: Final = Source(
    LIKES,
    LIKES_REJECTED,
    "ingest",
    4000,
    LIKES_FRAMING,
    lambda settings: Intake(settings.ingest_remembered_ids, settings.ingest_undoable_messages),
)
EXPOSURES_SOURCE: Final = Source(
    EXPOSURES,
    EXPOSURES_REJECTED,
    "ingest-exposures",
    250,
    EXPOSURES_FRAMING,
    lambda settings: SlateIntake(settings.ingest_remembered_ids, settings.exposure_sample),
)


class IngestRunner(Partitions):
    """A frame holds rows of several partitions: before one of them is saved, all that was taken in is sent."""

    def __init__(
        self,
        settings: IngestSettings,
        send: Send,
        registry: SchemaRegistry,
        source: Source = LIKES_SOURCE,
        beside: IngestRunner | None = None,
    ) -> None:
        """`beside`: where its sources are idle they follow those of this one."""
        super().__init__(
            source.state,
            lambda _: source.new_intake(settings),
            CheckpointStore(settings.checkpoint_dir, source.state),
            settings.checkpoint_seconds,
        )
        self.source = source
        self.builder = FrameBuilder(settings.partitions, settings.ingest_frame_rows, source.framing)
        self.sources: Sources = Sources(
            settings.partitions,
            settings.ingest_idle_seconds,
            settings.event_time_speed,
            beside.sources if beside is not None else None,
        )
        self.registry = registry
        self._frame_seconds = settings.ingest_frame_ms / 1000
        self._send = send
        self._pending: list[asyncio.Future[Any]] = []
        self._closed_at = time.monotonic()
        # Frames leave in the order in which they were closed, also while a rebalance asks for snapshots.
        self._sending = asyncio.Lock()

    async def assign(self, partition: int) -> None:
        await super().assign(partition)
        self.sources.take(partition, self.held[partition].task.latest_event_ms, time.monotonic())

    def drop(self, partition: int) -> None:
        super().drop(partition)
        self.sources.drop(partition)

    async def take(self, partition: int, entry: Partition, records: Sequence[Any], now: float) -> None:
        """Take in what was fetched of a partition while it was held as `entry`. If it was given away since, and perhaps
        taken up again from a snapshot, it is fetched again from where that ends: what was fetched before may begin
        farther on.
        """
        async with entry.between_frames:
            records = [record for record in records if record.offset > entry.offset]
            if not records or self.held.get(partition) is not entry:
                return
            messages = [_message(record) for record in records]
            await self.registry.fetch(messages)
            taken = entry.task.take(messages, self.registry.readers)
            self.builder.add(taken.rows)
            entry.offset, entry.dirty = records[-1].offset, True
            self.sources.read(partition, entry.task.latest_event_ms, now)
            for rejection in taken.rejections:
                await self._deliver(_to_output(rejection, self.source))

    def due_by_age(self, now: float) -> bool:
        """Whether the last frame was closed so long ago that what there is now should follow."""
        return now - self._closed_at >= self._frame_seconds

    async def close_due(self, now: float) -> None:
        """Send frames that are large or old enough; empty ones where event time goes on without rows."""
        aged = self.due_by_age(now) and not self.builder.empty
        tick = self.sources.tick_due(now)
        if not (self.builder.full or aged or tick):
            return
        async with self._sending:
            await self._close(now, tick)
        if tick:
            self.sources.ticked(now)

    async def _close(self, now: float, always: bool = False) -> None:
        self._closed_at = now
        progress = msgspec.structs.replace(self.sources.progress(now), clock_ms=int(time.time() * 1000))
        for output in self.builder.close(progress, always):
            await self._deliver(output)
            await asyncio.sleep(0)
        self._pending = [f for f in self._pending if not (f.done() and f.result())]

    async def _deliver(self, output: Output) -> None:
        sent = await self._send(output)
        # Looked up only now: meanwhile a snapshot may have taken the list, to wait for what was in it.
        self._pending.append(sent)

    async def settle(self, entry: Partition) -> None:
        async with self._sending:
            await self._close(time.monotonic())
            pending, self._pending = self._pending, []
            await asyncio.gather(*pending)


def warm_up() -> None:
    """Compile and load what messages go through, before the first one comes; the state is thrown away."""
    like = b'{"event_id": "e", "actor_id": "a", "target_id": "https://t", "occurred_at": 1767225600000}'
    slate = (
        b'{"slate_id": "s", "actor_id": "a", "occurred_at": 1767225600000, "items": [{"target_id": "t", "rank": 0}]}'
    )
    for intake, builder, value in (
        (Intake(1), FrameBuilder(1, 1), like),
        (SlateIntake(1, 1.0), FrameBuilder(1, 1, EXPOSURES_FRAMING), slate),
    ):
        taking: TopicIntake = intake
        for offset, message in enumerate((value, value, b"none")):
            builder.add(taking.take([Message(message, 0, offset, 1767225600000, {})]).rows)
        builder.close(Progress(1, {0: 0}))
        taking.restore(taking.snapshot())


def _message(record: Any) -> Message:
    # A producer may send none (-1, or 0): then it was received now.
    timestamp = record.timestamp if record.timestamp > 0 else int(time.time() * 1000)
    return Message(record.value, record.partition, record.offset, timestamp, dict(record.headers), record.key)


def _to_output(rejection: Rejection, source: Source = LIKES_SOURCE) -> Output:
    message = rejection.message
    return rejections.to_output(rejection, f"{source.topic}/{message.partition}/{message.offset}", source.rejected)
