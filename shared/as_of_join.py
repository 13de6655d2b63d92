"""Frames of one topic, in the order of their log, each with what other topics had said as of then.

The topic that leads says with each frame how far event time is in its log (the lineage's watermark). A row of another
topic counts as having happened at its own time, or, where that lies behind its own topic's watermark as of the frame
before, where that watermark stood: so when it happened follows from its own topic alone. A frame waits until the other
topics' watermarks are past its time, and then comes with all their rows of up to it that no frame before had: so what
comes with it is the same whatever the order of reading, the batching, or a crash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from shared import frames
from shared.checkpoints import Arrays, pack_blobs, unpack_blobs
from shared.frames import UNKNOWN_TIME, Frame
from shared.reorder_buffer import ReorderBuffer
from shared.watermark import Watermark

# Beside a row's own columns: when it counts as having happened, ms. After its own time where it was late.
JOINED_AT: Final = "joined_at"


@dataclass(frozen=True)
class Input:
    """A topic that is joined: its frames' kind and schema, the column with event time (ms), and how many partitions of
    stages before say in it how far event time is.
    """

    topic: str
    kind: str
    schema: pa.Schema
    time: str
    sources: int


@dataclass(frozen=True)
class Step:
    """A frame of the leading topic (all of its parts), and the other topics' rows by kind, in order of `joined_at`,
    ties as they came. `number` is the frame's place in what it follows from: what follows from the step carries it as
    the offset of its lineage. `clock`: how far event time is in the leading topic, ms.
    """

    number: int
    clock: int
    frame: Frame
    rows: Mapping[str, pa.RecordBatch]


class _Followed:
    """The rows of one topic that wait for a frame."""

    def __init__(self, of: Input, lateness_ms: int) -> None:
        self.late_rows = 0
        self.watermark = Watermark(of.sources)
        self.of = of
        self.buffer = ReorderBuffer(of.schema.append(pa.field(JOINED_AT, pa.int64())), [JOINED_AT])
        self._lateness_ms = lateness_ms

    def add(self, frame: Frame) -> None:
        if frame.batch.num_rows:
            times = frame.batch.column(self.of.time).to_numpy()
            joined_at = np.maximum(times, self.watermark.now)
            self.late_rows += int((joined_at > times).sum())
            columns = [*frame.batch.columns, pa.array(joined_at)]
            self.buffer.add(pa.RecordBatch.from_arrays(columns, schema=self.buffer.schema))
        if frame.progress is not None:
            self.watermark.follow(frame.progress, self._lateness_ms)
        elif frame.lineage is not None and frame.lineage.watermark != UNKNOWN_TIME:
            self.watermark.advance(frame.lineage.partition, frame.lineage.watermark - self._lateness_ms)


class AsOfJoin:
    """One partition's frames that wait, and what they wait for. A source is taken to be `lateness_ms` less far than it
    says.
    """

    def __init__(self, leading: str, followed: Sequence[Input], lateness_ms: int) -> None:
        self._leading = leading
        self._followed = {one.topic: _Followed(one, lateness_ms) for one in followed}
        self._clock = 0
        # Frames with how far event time is after them; the last one may lack some of its parts.
        self._waiting: list[tuple[int, Frame]] = []
        self._last_is_whole = True

    def add(self, topic: str, frame: Frame) -> Iterator[Step]:
        """Take a frame in; the steps that are complete now."""
        if topic == self._leading:
            self._lead(frame)
        else:
            self._followed[topic].add(frame)
        return self._complete()

    def _lead(self, frame: Frame) -> None:
        assert frame.lineage is not None
        self._clock = max(self._clock, frame.lineage.watermark)
        self._last_is_whole, was_whole = frame.lineage.watermark != UNKNOWN_TIME, self._last_is_whole
        if not was_whole:
            _, begun = self._waiting.pop()
            frame = replace(frame, batch=frames.join([begun.batch, frame.batch], frame.batch.schema))
        self._waiting.append((self._clock, frame))

    def _complete(self) -> Iterator[Step]:
        while self._waiting and (len(self._waiting) > 1 or self._last_is_whole) and self.now > self._waiting[0][0]:
            clock, frame = self._waiting.pop(0)
            assert frame.lineage is not None
            rows = {one.of.kind: one.buffer.take(clock + 1) for one in self._followed.values()}
            yield Step(frame.lineage.offset, clock, frame, rows)

    @property
    def now(self) -> int:
        """How far all topics but the leading one are, ms; unknown (-1) until each has spoken."""
        return min(one.watermark.now for one in self._followed.values())

    @property
    def late_rows(self) -> int:
        return sum(one.late_rows for one in self._followed.values())

    def waiting(self, topic: str) -> int:
        """Rows of a topic that wait for other topics; of one that the others wait for, none."""
        if topic == self._leading:
            whole = self._waiting if self._last_is_whole else self._waiting[:-1]
            return sum(frame.batch.num_rows for _, frame in whole)
        one = self._followed[topic]
        return one.buffer.rows if not self._waiting or one.watermark.now > self._waiting[0][0] else 0

    def snapshot(self) -> Arrays:
        found = {
            **pack_blobs("join.frames", [frames.encode(frame.batch) for _, frame in self._waiting]),
            **pack_blobs("join.heads", [msgspec.json.encode((f.kind, f.lineage)) for _, f in self._waiting]),
            "join.clocks": np.array([clock for clock, _ in self._waiting], np.int64),
            "join.state": np.array([self._clock, self._last_is_whole]),
        }
        for topic, one in self._followed.items():
            found |= one.buffer.snapshot(f"join.{topic}")
            found[f"join.{topic}.watermark"] = one.watermark.snapshot()
            found[f"join.{topic}.late"] = np.array([one.late_rows])
        return found

    def restore(self, arrays: Arrays) -> None:
        heads = [
            msgspec.json.decode(head, type=tuple[str, frames.Lineage]) for head in unpack_blobs("join.heads", arrays)
        ]
        batches = [frames.decode(blob) for blob in unpack_blobs("join.frames", arrays)]
        rows = zip(arrays["join.clocks"].tolist(), heads, batches, strict=True)
        self._waiting = [(clock, Frame(kind, batch, lineage)) for clock, (kind, lineage), batch in rows]
        self._clock, whole = arrays["join.state"].tolist()
        self._last_is_whole = bool(whole)
        for topic, one in self._followed.items():
            one.buffer.restore(f"join.{topic}", arrays)
            one.watermark.restore(arrays[f"join.{topic}.watermark"])
            one.late_rows = int(arrays[f"join.{topic}.late"][0])
