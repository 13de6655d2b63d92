"""Rows that wait until event time has passed them, so that they are taken in order of event time however they came."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared import frames
from shared.checkpoints import Arrays, pack_blobs, unpack_blobs


@dataclass(frozen=True)
class _Waiting:
    """A batch with where it came from, and the latest time (ms) in it."""

    source: int
    batch: pa.RecordBatch
    latest: int


class ReorderBuffer:
    """Record batches of one schema. `order` names the columns that rows are taken in order of, times (ms) first."""

    def __init__(self, schema: pa.Schema, order: Sequence[str]) -> None:
        self.schema = schema
        self.rows = 0
        self._order = order
        # By the earliest time in it, then as they came: what is not due yet is not looked at, however much waits.
        self._batches: list[tuple[int, int, _Waiting]] = []
        self._came = 0

    def add(self, batch: pa.RecordBatch, source: int = 0) -> None:
        """`source`: where it came from, where that is a part of the order: rows of one source and time stay as they
        came.
        """
        if batch.num_rows:
            times = batch.column(self._order[0]).to_numpy()
            waiting = _Waiting(source, batch, int(times.max()))
            heapq.heappush(self._batches, (int(times.min()), self._came, waiting))
            self._came += 1
            self.rows += batch.num_rows

    def take(self, before_ms: int) -> pa.RecordBatch:
        """The rows of before `before_ms`, in order. The others wait on."""
        taken: list[tuple[int, _Waiting]] = []
        while self._batches and self._batches[0][0] < before_ms:
            _, came, waiting = heapq.heappop(self._batches)
            taken.append((came, waiting))
            self.rows -= waiting.batch.num_rows
        if not taken:
            return pa.RecordBatch.from_pylist([], self.schema)
        due: list[tuple[int, pa.RecordBatch]] = []
        for _, waiting in sorted(taken, key=lambda t: t[0]):
            batch = waiting.batch
            if waiting.latest >= before_ms:
                passed = batch.column(self._order[0]).to_numpy() < before_ms
                self.add(batch.filter(pa.array(~passed)), waiting.source)
                batch = batch.filter(pa.array(passed))
            due.append((waiting.source, batch))
        due.sort(key=lambda b: b[0])
        rows = frames.join([batch for _, batch in due], self.schema)
        keys = [rows.column(name).to_numpy(zero_copy_only=False) for name in self._order]
        return rows.take(pa.array(in_order(keys)))

    def _as_they_came(self) -> list[_Waiting]:
        return [waiting for _, _, waiting in sorted(self._batches, key=lambda b: b[1])]

    def keep(self, kept: Any) -> None:
        """Drop the rows for which `kept(batch)` is false."""
        waited = self._as_they_came()
        self._batches, self.rows = [], 0
        for waiting in waited:
            self.add(waiting.batch.filter(pa.array(kept(waiting.batch))), waiting.source)

    def snapshot(self, prefix: str) -> Arrays:
        waited = self._as_they_came()
        return {
            **pack_blobs(prefix, [frames.encode(w.batch) for w in waited]),
            f"{prefix}.source": np.array([w.source for w in waited], np.int64),
        }

    def restore(self, prefix: str, arrays: Arrays) -> None:
        self._batches, self.rows = [], 0
        for source, blob in zip(arrays[f"{prefix}.source"].tolist(), unpack_blobs(prefix, arrays), strict=True):
            self.add(frames.decode(blob), source)


def in_order(keys: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Indices that sort by the first key, ties by the next. Only the ties are looked at by more than the first."""
    first = keys[0]
    # Likes come nearly in order of time, which a stable sort makes use of.
    order = np.argsort(first, kind="stable")
    tied = first[order[1:]] == first[order[:-1]]
    if len(keys) == 1 or not tied.any():
        return order
    among = np.flatnonzero(np.r_[tied, False] | np.r_[False, tied])
    rows = order[among]
    order[among] = rows[np.lexsort([k[rows] for k in reversed(keys)])]
    return order
