"""Partitions of a topic with the state that each has led to: taken up from snapshots, saved, and given away.

A snapshot is of a state between two messages, and is saved only when all that the state has led to is with the
broker. So an offset is done, and is called so, exactly when its whole effect is there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import structlog

from shared.checkpoints import Arrays, Checkpoint, CheckpointStore, Fenced
from shared.dependency import Dependency

log = structlog.get_logger()


class State(Protocol):
    """Of one partition. `counters` are part of it: they survive a crash."""

    counters: dict[str, int]

    def snapshot(self) -> Arrays: ...

    def restore(self, arrays: Arrays) -> None: ...


@dataclass
class Partition:
    """A state with its place in the log."""

    task: Any
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


class Partitions:
    """Any number of partitions of one topic, in one event loop. Reading and writing snapshots is a thread's work."""

    def __init__(
        self,
        name: str,
        new_task: Callable[[int], State],
        store: CheckpointStore,
        checkpoint_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.held: dict[int, Partition] = {}
        self._coming: dict[int, asyncio.Event] = {}
        self.disk = Dependency("disk", OSError)
        # One for all of a process, where it has several of these.
        self.budget = SnapshotBudget()
        self._new_task = new_task
        self._store = store
        self._seconds = checkpoint_seconds
        self._clock = clock

    def expect(self, partitions: Iterable[int]) -> None:
        """These will be assigned: their messages may come before their snapshots are read, and wait."""
        for partition in partitions:
            self._coming.setdefault(partition, asyncio.Event())

    async def entry(self, partition: int) -> Partition | None:
        """The partition as it is held here, None where it is somebody else's."""
        if partition in self._coming:
            await self._coming[partition].wait()
        return self.held.get(partition)

    async def assign(self, partition: int) -> None:
        """Take a partition: restore its newest snapshot, or begin empty. Waits while the disk cannot be written."""
        self.expect([partition])
        entry = await self.disk.when_available(partial(asyncio.to_thread, self._restore, partition))
        self.held[partition] = entry
        self._coming.pop(partition).set()
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
        self.held.pop(partition, None)
        self.budget.let_go(self.name, partition)

    async def settle(self, entry: Partition) -> None:
        """Until the broker has all that the state has led to."""
        pending, entry.pending = entry.pending, []
        await asyncio.gather(*pending)

    def due(self) -> list[int]:
        """Partitions whose snapshot is due; costly ones are taken less often."""
        now, interval = self._clock(), max(self._seconds, self.budget.interval)
        return [p for p, e in self.held.items() if e.dirty and now - e.saved_at >= interval]

    async def checkpoint(self, partitions: Iterable[int]) -> dict[int, int]:
        """Snapshot these partitions. Returns the offset up to which each is done.

        No frame is handled meanwhile: while the disk is full, input waits in Kafka and not in memory. Raises Fenced
        where another worker has taken a partition.
        """
        done = {}
        for partition in partitions:
            entry = self.held.get(partition)
            if entry is None:
                continue
            async with entry.between_frames:
                await self.settle(entry)
                if entry.offset >= 0:
                    token = self._store.fencing_tokens.get(partition)
                    save = partial(asyncio.to_thread, self._save, partition, entry, token)
                    await self.disk.when_available(save)
                    done[partition] = entry.offset
                entry.dirty, entry.saved_at = False, self._clock()
        return done

    async def checkpoint_held(self, partitions: Iterable[int]) -> dict[int, int]:
        """As `checkpoint`; a partition that another worker has taken is let go."""
        done: dict[int, int] = {}
        for partition in list(partitions):
            try:
                done |= await self.checkpoint([partition])
            except Fenced as error:
                log.warning("partition let go", stage=self.name, partition=partition, error=str(error))
                self.drop(partition)
        return done

    def _save(self, partition: int, entry: Partition, token: int | None) -> None:
        if self.held.get(partition) is not entry:
            raise Fenced(f"{self.name}/{partition} was given away while it waited for the disk")
        began = self._clock()
        facts = self.prepare(partition, entry)
        facts |= {"counters": dict(entry.task.counters), "marks": dict(entry.marks), "repeated": entry.repeated}
        self._store.save(partition, Checkpoint(entry.offset, entry.task.snapshot(), facts), token)
        self.restored(partition, facts)
        if self.held.get(partition) is entry:
            self.budget.spent(self.name, partition, self._clock() - began)

    def counters(self) -> dict[str, int]:
        """The states' counters, added up over the partitions held here."""
        total: dict[str, int] = {}
        for entry in self.held.values():
            for name, value in entry.task.counters.items():
                total[name] = total.get(name, 0) + value
        return total
