"""Partitions of `likes.v1` on their way into frames by actor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from services.ingest.framing import FrameBuilder
from services.ingest.intake import Intake
from services.ingest.registry import SchemaRegistry
from services.ingest.settings import IngestSettings
from services.ingest.sources import Sources
from shared import rejections
from shared.checkpoints import CheckpointStore
from shared.contract.decode import Message, Rejection
from shared.frames import Output, Progress
from shared.partitions import Partition, Partitions
from shared.stage import Send
from shared.topics import LIKES


class IngestRunner(Partitions):
    """A frame holds likes of several partitions: before one of them is saved, all that was taken in is sent."""

    def __init__(self, settings: IngestSettings, send: Send, registry: SchemaRegistry) -> None:
        super().__init__(
            "ingest",
            lambda _: Intake(settings.ingest_remembered_ids, settings.ingest_undoable_messages),
            CheckpointStore(settings.checkpoint_dir, "ingest"),
            settings.checkpoint_seconds,
        )
        self.builder = FrameBuilder(settings.partitions, settings.ingest_frame_rows)
        self.sources = Sources(settings.partitions, settings.ingest_idle_seconds, settings.event_time_speed)
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

    async def take(self, partition: int, records: Sequence[Any], now: float) -> None:
        """Take in what was fetched of a partition, if it is held here."""
        entry = self.held.get(partition)
        if entry is None:
            # What came before the partition was taken up is fetched again from where its snapshot ends.
            return
        async with entry.between_frames:
            records = [record for record in records if record.offset > entry.offset]
            if not records:
                return
            messages = [_message(record) for record in records]
            await self.registry.fetch(messages)
            taken = entry.task.take(messages, self.registry.readers)
            self.builder.add(taken.likes)
            entry.offset, entry.dirty = records[-1].offset, True
            self.sources.read(partition, entry.task.latest_event_ms, now)
            for rejection in taken.rejections:
                await self._deliver(_to_output(rejection))

    async def close_due(self, now: float) -> None:
        """Send frames that are large or old enough; empty ones where event time goes on without likes."""
        aged = now - self._closed_at >= self._frame_seconds and not self.builder.empty
        tick = self.sources.tick_due(now)
        if not (self.builder.full or aged or tick):
            return
        async with self._sending:
            await self._close(now, tick)
        if tick:
            self.sources.ticked(now)

    async def _close(self, now: float, always: bool = False) -> None:
        self._closed_at = now
        for output in self.builder.close(self.sources.progress(now), always):
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
    """Compile and load what a like goes through, before the first one comes; the state is thrown away."""
    like = b'{"event_id": "e", "actor_id": "a", "target_id": "https://t", "occurred_at": 1767225600000}'
    intake, builder = Intake(1), FrameBuilder(1, 1)
    for offset, value in enumerate((like, like, b"no like")):
        builder.add(intake.take([Message(value, 0, offset, 1767225600000, {})]).likes)
    builder.close(Progress(1, {0: 0}))
    intake.restore(intake.snapshot())


def _message(record: Any) -> Message:
    # A producer may send none (-1, or 0): then it was received now.
    timestamp = record.timestamp if record.timestamp > 0 else int(time.time() * 1000)
    return Message(record.value, record.partition, record.offset, timestamp, dict(record.headers), record.key)


def _to_output(rejection: Rejection) -> Output:
    message = rejection.message
    return rejections.to_output(rejection, f"{LIKES}/{message.partition}/{message.offset}")
