"""Rows that wait until event time has passed them, so that they are taken in order of event time however they came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared import frames
from shared.checkpoints import Arrays, pack_blobs, unpack_blobs


class Pending:
    """Record batches of one schema. `order` names the columns that rows are taken in order of, times (ms) first."""

    def __init__(self, schema: pa.Schema, order: Sequence[str]) -> None:
        self.schema = schema
        self._order = order
        self._batches: list[pa.RecordBatch] = []

    def add(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            self._batches.append(batch)

    @property
    def rows(self) -> int:
        return sum(b.num_rows for b in self._batches)

    def take(self, before_ms: int) -> pa.RecordBatch:
        """The rows of before `before_ms`, in order. The others wait on."""
        if not self._batches:
            return pa.RecordBatch.from_pylist([], self.schema)
        rows = frames.join(self._batches, self.schema)
        times = rows.column(self._order[0]).to_numpy()
        due = np.flatnonzero(times < before_ms)
        if len(due) == 0:
            self._batches = [rows]
            return rows.slice(0, 0)
        self._batches = [] if len(due) == len(times) else [rows.filter(pa.array(times >= before_ms))]
        keys = [rows.column(name).to_numpy(zero_copy_only=False)[due] for name in self._order]
        return rows.take(pa.array(due[in_order(keys)]))

    def keep(self, kept: Any) -> None:
        """Drop the rows for which `kept(batch)` is false."""
        self._batches = [b.filter(pa.array(kept(b))) for b in self._batches]

    def snapshot(self, prefix: str) -> Arrays:
        return pack_blobs(prefix, [frames.encode(b) for b in self._batches])

    def restore(self, prefix: str, arrays: Arrays) -> None:
        self._batches = [frames.decode(b) for b in unpack_blobs(prefix, arrays)]


def in_order(keys: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Indices that sort by the first key, ties by the next. Only the ties are looked at by more than the first."""
    first = keys[0]
    # Likes come nearly in order of time, which a stable sort makes use of.
    order = np.argsort(first, kind="stable")
    tied = first[order[1:]] == first[order[:-1]]
    if not tied.any():
        return order
    among = np.flatnonzero(np.r_[tied, False] | np.r_[False, tied])
    rows = order[among]
    order[among] = rows[np.lexsort([k[rows] for k in reversed(keys)])]
    return order
