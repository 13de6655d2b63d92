"""Runs a stage that joins several topics in event time, so that its effect is exactly once.

The topics have equally many partitions, cut by the same key: partition p of each goes to the one task of p. What a
snapshot contains of each topic is an offset of that topic; what the stage sends carries the step that it follows from,
which is the same after any crash.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec

from shared.as_of_join import AsOfJoin, Step
from shared.checkpoints import Arrays, CheckpointStore
from shared.frames import Output, from_message, lineage_of, numbered
from shared.partitions import Partition, State
from shared.stage import Send, StageRunner

# Rows of a topic that may wait for other topics; then it is read no further until these have caught up.
MOST_WAITING: Final = 200_000


class JoiningTask(State, Protocol):
    """A joining stage's state for one partition."""

    def process(self, step: Step) -> list[Output]: ...


class _Joined:
    """A task with what waits to be joined, and up to where each topic was read."""

    def __init__(self, task: JoiningTask, join: AsOfJoin) -> None:
        self.task, self.join = task, join
        self.counters = task.counters
        self.offsets: dict[str, int] = {}

    def snapshot(self) -> Arrays:
        return {**self.task.snapshot(), **self.join.snapshot()}

    def restore(self, arrays: Arrays) -> None:
        self.task.restore(arrays)
        self.join.restore(arrays)


class JoiningRunner(StageRunner):
    """One joining stage. Its partitions' `offset` counts the messages of all topics."""

    def __init__(
        self,
        name: str,
        new_task: Callable[[int], JoiningTask],
        new_join: Callable[[], AsOfJoin],
        store: CheckpointStore,
        send: Send,
        checkpoint_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name, lambda p: _Joined(new_task(p), new_join()), store, send, checkpoint_seconds, clock)
        # Of the snapshots on disk: by partition the offset of each topic.
        self._done: dict[int, dict[str, int]] = {}
        self._moved = asyncio.Event()
        self._waits: set[tuple[str, int]] = set()

    async def take(self, topic: str, partition: int, offset: int, value: bytes, headers: Any) -> None:
        entry = await self.entry(partition)
        if entry is None:
            return
        joined = _joined(entry)
        self._waits.add((topic, partition))
        while joined.join.waiting(topic) > MOST_WAITING and self.held.get(partition) is entry:
            self._moved.clear()
            await self._moved.wait()
        self._waits.discard((topic, partition))
        async with entry.between_frames:
            # Else it is another's meanwhile, or was read before.
            if self.held.get(partition) is entry and offset > joined.offsets.get(topic, -1):
                await self._join(entry, topic, offset, value, headers)
        self._moved.set()

    async def _join(self, entry: Partition, topic: str, offset: int, value: bytes, headers: Any) -> None:
        joined, lineage = _joined(entry), lineage_of(headers)
        # One stage may send to several of the topics.
        if lineage is None or self._is_new(entry, msgspec.structs.replace(lineage, stage=f"{topic}:{lineage.stage}")):
            frame = from_message(value, headers)
            entry.dirty = True
            for step in joined.join.add(topic, frame):
                await self.deliver(entry, frame, step.number, numbered(joined.task.process(step)))
        joined.offsets[topic] = offset
        entry.offset += 1
        self.last_progress = self._clock()

    def waits(self, topic: str, partition: int) -> bool:
        return (topic, partition) in self._waits

    def position(self, topic: str, partition: int) -> int:
        return _joined(self.held[partition]).offsets.get(topic, -1)

    def done_in(self, topic: str, partition: int, done: int) -> int:
        return self._done[partition].get(topic, -1)

    def prepare(self, partition: int, entry: Partition) -> dict[str, Any]:
        return {"offsets": dict(_joined(entry).offsets)}

    def restored(self, partition: int, facts: dict[str, Any]) -> None:
        self._done[partition] = facts["offsets"]

    def _restore(self, partition: int) -> Partition:
        self._done.pop(partition, None)
        entry = super()._restore(partition)
        _joined(entry).offsets = dict(self._done.get(partition, {}))
        return entry

    def drop(self, partition: int) -> None:
        super().drop(partition)
        self._moved.set()

    def counters(self) -> dict[str, int]:
        total = super().counters()
        if self.held:
            total["late_rows"] = sum(_joined(entry).join.late_rows for entry in self.held.values())
        return total


def task_of(entry: Partition) -> Any:
    """The joining stage's own state of a partition."""
    return _joined(entry).task


def _joined(entry: Partition) -> _Joined:
    assert isinstance(entry.task, _Joined)
    return entry.task
