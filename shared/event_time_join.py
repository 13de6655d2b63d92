"""Rows of several topics in one order of event time, however the topics were read.

A row belongs to a *step* of event time. It is in time if it lies at or after its own topic's watermark as of the frame
before, else it is late, and belongs where that watermark stood: so a row's step follows from its own topic alone. A
step is given out, once, when the watermarks of all topics have passed its end: so what is in it is the same whatever
the order of reading, the batching, or a crash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from shared.checkpoints import Arrays
from shared.frames import Frame
from shared.reorder_buffer import ReorderBuffer
from shared.watermark import Watermark

# Beside a row's own columns: when it counts as having happened, ms. After its own time where it was late.
JOINED_AT: Final = "joined_at"


@dataclass(frozen=True)
class Input:
    """A topic that is joined: schemas by kind of its frames, the column of each with event time (ms), and how many
    partitions of stages before say in it how far event time is.
    """

    topic: str
    kinds: Mapping[str, tuple[pa.Schema, str]]
    sources: int


@dataclass(frozen=True)
class Step:
    """Rows by kind, in order of `joined_at`, ties as they came: all those before `ends_at` (ms) that no step before
    had. `number` says its place: what follows from the step carries it as the offset of its lineage.
    """

    number: int
    ends_at: int
    rows: Mapping[str, pa.RecordBatch]


class EventTimeJoin:
    """One partition's rows that wait for their step. Steps last `step_ms`; a source is taken to be `lateness_ms` less
    far than the latest time it has seen.
    """

    def __init__(self, inputs: Sequence[Input], step_ms: int, lateness_ms: int) -> None:
        self.late_rows = 0
        self._step_ms, self._lateness_ms = step_ms, lateness_ms
        self._next = 0
        self._time = {kind: time for one in inputs for kind, (_, time) in one.kinds.items()}
        self._watermarks = {one.topic: Watermark(one.sources) for one in inputs}
        self._waiting = {
            one.topic: {
                kind: ReorderBuffer(schema.append(pa.field(JOINED_AT, pa.int64())), [JOINED_AT])
                for kind, (schema, _) in one.kinds.items()
            }
            for one in inputs
        }

    def add(self, topic: str, frame: Frame) -> Iterator[Step]:
        """Take a frame in; the steps that are complete now, and, empty or not, the last of them."""
        watermark = self._watermarks[topic]
        if frame.batch.num_rows:
            times = frame.batch.column(self._time[frame.kind]).to_numpy()
            joined_at = np.maximum(times, watermark.now)
            self.late_rows += int((joined_at > times).sum())
            columns = [*frame.batch.columns, pa.array(joined_at)]
            waiting = self._waiting[topic][frame.kind]
            waiting.add(pa.RecordBatch.from_arrays(columns, schema=waiting.schema))
        self._advance(watermark, frame)
        return self._complete()

    def _advance(self, watermark: Watermark, frame: Frame) -> None:
        if frame.progress is not None:
            watermark.follow(frame.progress, self._lateness_ms)
        elif frame.lineage is not None:
            watermark.advance(frame.lineage.partition, frame.lineage.watermark)

    def _complete(self) -> Iterator[Step]:
        # Steps before `end` are complete.
        end = self.now // self._step_ms
        if end <= self._next:
            return
        rows = {
            kind: buffer.take(end * self._step_ms) for kinds in self._waiting.values() for kind, buffer in kinds.items()
        }
        steps = {kind: batch.column(JOINED_AT).to_numpy() // self._step_ms for kind, batch in rows.items()}
        for number in np.unique(np.concatenate([*steps.values(), [end - 1]])).tolist():
            bounds = {kind: np.searchsorted(of, [number, number + 1]).tolist() for kind, of in steps.items()}
            batches = {kind: rows[kind].slice(first, last - first) for kind, (first, last) in bounds.items()}
            yield Step(number, (number + 1) * self._step_ms, batches)
            self._next = number + 1

    @property
    def now(self) -> int:
        """How far all topics are, ms; unknown (-1) until each has spoken."""
        return min(watermark.now for watermark in self._watermarks.values())

    def waiting(self, topic: str) -> int:
        """Rows of a topic that wait for other topics; of one that the others wait for, none."""
        if self._watermarks[topic].now <= self.now:
            return 0
        return sum(buffer.rows for buffer in self._waiting[topic].values())

    def snapshot(self) -> Arrays:
        found = {f"join.{t}.watermark": w.snapshot() for t, w in self._watermarks.items()}
        for topic, kinds in self._waiting.items():
            for kind, buffer in kinds.items():
                found |= buffer.snapshot(f"join.{topic}.{kind}")
        return {**found, "join.counts": np.array([self._next, self.late_rows])}

    def restore(self, arrays: Arrays) -> None:
        self._next, self.late_rows = arrays["join.counts"].tolist()
        for topic, watermark in self._watermarks.items():
            watermark.restore(arrays[f"join.{topic}.watermark"])
        for topic, kinds in self._waiting.items():
            for kind, buffer in kinds.items():
                buffer.restore(f"join.{topic}.{kind}", arrays)
