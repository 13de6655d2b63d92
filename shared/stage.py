"""Runs a pure stage over the partitions of a topic so that its effect is exactly once.

For each partition there is a task: a plain object that turns a frame into outputs and can snapshot itself. The
runner restores it, skips what its snapshot contains, ignores repeated frames, and calls input offsets done only
when a snapshot that holds them is on disk and every output before it is acknowledged. It knows no Kafka: the
shell hands it messages and a `send`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from shared.checkpoints import CheckpointStore
from shared.frames import Frame, Lineage, Output, from_message, lineage_of, numbered
from shared.latency import LatencyHistogram
from shared.partitions import Partition, Partitions, State

Send = Callable[[Output], Awaitable["asyncio.Future[Any]"]]


async def sends_nothing(output: Output) -> asyncio.Future[Any]:
    """The `send` of a stage whose effect is elsewhere."""
    raise AssertionError(f"a stage without outputs has one for {output.topic}")


class Task(State, Protocol):
    """A stage's state for one partition."""

    def process(self, frame: Frame, offset: int) -> list[Output]: ...


class StageRunner(Partitions):
    """One stage."""

    MAX_PENDING = 4096

    def __init__(
        self,
        name: str,
        new_task: Callable[[int], State],
        store: CheckpointStore,
        send: Send,
        checkpoint_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name, new_task, store, checkpoint_seconds, clock)
        self.latency = LatencyHistogram()
        self.last_progress = clock()
        self._send = send

    async def take(self, topic: str, partition: int, offset: int, value: bytes, headers: Any) -> None:
        """Process one message of a topic, once."""
        await self.handle(partition, offset, value, headers)

    def waits(self, topic: str, partition: int) -> bool:
        """Whether it reads a topic no further until another one has caught up."""
        return False

    def position(self, topic: str, partition: int) -> int:
        """The offset up to which a topic was read in a partition that is held."""
        return self.held[partition].offset

    def done_in(self, topic: str, partition: int, done: int) -> int:
        """The offset of a topic up to which all is done, where a checkpoint returned `done`."""
        return done

    async def handle(self, partition: int, offset: int, value: bytes, headers: Any) -> None:
        """Process one message, once. A partition that is not held here is left to its owner."""
        entry = await self.entry(partition)
        if entry is None:
            return
        async with entry.between_frames:
            await self._handle(entry, offset, value, headers)

    async def _handle(self, entry: Partition, offset: int, value: bytes, headers: Any) -> None:
        if offset <= entry.offset:
            return
        lineage = lineage_of(headers)
        if lineage is not None and not self._is_new(entry, lineage):
            entry.offset = offset
            return
        frame = from_message(value, headers)
        outputs = numbered(entry.task.process(frame, offset))
        entry.dirty = True
        await self.deliver(entry, frame, offset, outputs)
        entry.offset = offset
        self.last_progress = self._clock()

    @staticmethod
    def _is_new(entry: Partition, lineage: Lineage) -> bool:
        if lineage.place <= entry.marks.get(lineage.source, -1):
            entry.repeated += 1
            return False
        entry.marks[lineage.source] = lineage.place
        return True

    async def deliver(
        self, entry: Partition, frame: Frame, offset: int, outputs: Sequence[Output]
    ) -> list[asyncio.Future[Any]]:
        """Send what a frame led to; returns the acknowledgements to come. Stages whose effect is elsewhere
        (Redis) override this.
        """
        entry.pending = [f for f in entry.pending if not _done(f)]
        sent = [await self._send(output) for output in outputs]
        entry.pending += sent
        if len(entry.pending) > self.MAX_PENDING:
            await self.settle(entry)
        return sent

    def counters(self) -> dict[str, int]:
        total = super().counters()
        if self.held:
            total["repeated_frames"] = sum(entry.repeated for entry in self.held.values())
        return total


def _done(future: asyncio.Future[Any]) -> bool:
    """Whether a send is acknowledged. Raises its error: the process must not go on past a lost output."""
    if not future.done():
        return False
    future.result()
    return True
