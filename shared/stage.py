"""Runs a pure stage over the partitions of a topic so that its effect is exactly once.

For each partition there is a task: a plain object that turns a frame into outputs and can snapshot itself. The
runner restores it, skips what its snapshot contains, ignores repeated frames, and calls input offsets done only
when a snapshot that holds them is on disk and every output before it is acknowledged. It knows no Kafka: the
shell hands it messages and a `send`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import structlog

from shared.checkpoints import Arrays, Checkpoint, CheckpointStore, Fenced
from shared.dependency import Dependency
from shared.frames import Frame, Lineage, Output, from_message, lineage_of, numbered
from shared.latency import LatencyHistogram

log = structlog.get_logger()

Send = Callable[[Output], Awaitable["asyncio.Future[Any]"]]


class Task(Protocol):
    """A stage's state for one partition. `counters` are part of the state: they survive a crash."""

    counters: dict[str, int]

    def process(self, frame: Frame, offset: int) -> list[Output]: ...

    def snapshot(self) -> Arrays: ...

    def restore(self, arrays: Arrays) -> None: ...


@dataclass
class Partition:
    """A task with its place in the log."""

    task: Task
    offset: int = -1
    marks: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    pending: list[asyncio.Future[Any]] = field(default_factory=list)
    saved_at: float = 0.0
    dirty: bool = False
    # A snapshot is taken between frames, never while one is processed or delivered.
    between_frames: asyncio.Lock = field(default_factory=asyncio.Lock)


class SnapshotBudget:
    """How much of its time a process may spend on snapshots, whatever number of stages and partitions it has."""

    SHARE = 0.05

    def __init__(self) -> None:
        # What the last one took (s), by stage and partition.
        self._cost: dict[tuple[str, int], float] = {}

    def spent(self, stage: str, partition: int, seconds: float) -> None:
        self._cost[stage, partition] = seconds

    def let_go(self, stage: str, partition: int) -> None:
        self._cost.pop((stage, partition), None)

    @property
    def interval(self) -> float:
        """A partition's snapshots are to be no closer than this, s."""
        return sum(self._cost.values()) / self.SHARE


class StageRunner:
    """One stage, any number of partitions, in one event loop. Reading and writing snapshots is a thread's work."""

    MAX_PENDING = 4096

    def __init__(
        self,
        name: str,
        new_task: Callable[[int], Task],
        store: CheckpointStore,
        send: Send,
        checkpoint_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        budget: SnapshotBudget | None = None,
    ) -> None:
        self.name = name
        self.partitions: dict[int, Partition] = {}
        self.latency = LatencyHistogram()
        self.last_progress = clock()
        self.disk = Dependency("disk", OSError)
        self._new_task = new_task
        self._store = store
        self._send = send
        self._seconds = checkpoint_seconds
        self._clock = clock
        self.budget = budget or SnapshotBudget()

    async def assign(self, partition: int) -> None:
        """Take a partition: restore its newest snapshot, or begin empty. Waits while the disk cannot be written."""
        entry = await self.disk.when_available(partial(asyncio.to_thread, self._restore, partition))
        self.partitions[partition] = entry
        log.info("partition assigned", stage=self.name, partition=partition, restored_offset=entry.offset)

    def _restore(self, partition: int) -> Partition:
        task = self._new_task(partition)
        entry = Partition(task, saved_at=self._clock())
        saved = self._take(partition)
        if saved is not None:
            task.restore(saved.arrays)
            task.counters.update(saved.facts["counters"])
            entry.offset = saved.offset
            entry.marks = dict(saved.facts["marks"])
            entry.repeated = saved.facts["repeated"]
            self.restored(partition, saved.facts)
        return entry

    def _take(self, partition: int) -> Checkpoint | None:
        return self._store.acquire(partition)

    def prepare(self, partition: int, entry: Partition) -> dict[str, Any]:
        """Facts to save with a snapshot; a stage that stages files writes them here. Called in a thread, while no
        frame of the partition is handled; again, with the same state, where the disk had no room.
        """
        return {}

    def restored(self, partition: int, facts: dict[str, Any]) -> None:
        """Called with the facts of a snapshot that is on disk, in the thread that wrote or read it: after saving it,
        and again after restoring it. May be called again where the disk failed it.
        """

    def drop(self, partition: int) -> None:
        self.partitions.pop(partition, None)
        self.budget.let_go(self.name, partition)

    async def handle(self, partition: int, offset: int, value: bytes, headers: Any) -> None:
        """Process one message, once. A partition that is not held here is left to its owner."""
        entry = self.partitions.get(partition)
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
            await self._settle(entry)
        return sent

    @staticmethod
    async def _settle(entry: Partition) -> None:
        pending, entry.pending = entry.pending, []
        await asyncio.gather(*pending)

    def due(self) -> list[int]:
        """Partitions whose snapshot is due; costly ones are taken less often."""
        now, interval = self._clock(), max(self._seconds, self.budget.interval)
        return [p for p, e in self.partitions.items() if e.dirty and now - e.saved_at >= interval]

    async def checkpoint(self, partitions: Iterable[int]) -> dict[int, int]:
        """Snapshot these partitions. Returns the offset up to which each is done.

        No frame is handled meanwhile: while the disk is full, input waits in Kafka and not in memory. Raises Fenced
        where another worker has taken a partition.
        """
        done = {}
        for partition in partitions:
            entry = self.partitions.get(partition)
            if entry is None:
                continue
            async with entry.between_frames:
                await self._settle(entry)
                if entry.offset >= 0:
                    token = self._store.fencing_tokens.get(partition)
                    save = partial(asyncio.to_thread, self._save, partition, entry, token)
                    await self.disk.when_available(save)
                    done[partition] = entry.offset
                entry.dirty, entry.saved_at = False, self._clock()
        return done

    def _save(self, partition: int, entry: Partition, token: int | None) -> None:
        if self.partitions.get(partition) is not entry:
            raise Fenced(f"{self.name}/{partition} was given away while it waited for the disk")
        began = self._clock()
        facts = self.prepare(partition, entry)
        facts |= {"counters": dict(entry.task.counters), "marks": dict(entry.marks), "repeated": entry.repeated}
        self._store.save(partition, Checkpoint(entry.offset, entry.task.snapshot(), facts), token)
        self.restored(partition, facts)
        self.budget.spent(self.name, partition, self._clock() - began)

    def counters(self) -> dict[str, int]:
        """The tasks' counters, added up over the partitions held here."""
        total: dict[str, int] = {}
        for entry in self.partitions.values():
            for name, value in entry.task.counters.items():
                total[name] = total.get(name, 0) + value
            total["repeated_frames"] = total.get("repeated_frames", 0) + entry.repeated
        return total


def _done(future: asyncio.Future[Any]) -> bool:
    """Whether a send is acknowledged. Raises its error: the process must not go on past a lost output."""
    if not future.done():
        return False
    future.result()
    return True
