"""Meetings that wait until event time has passed the window that they lie in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.detector.windows import tumbling
from shared import frames
from shared.checkpoints import Arrays, pack_blobs, unpack_blobs


class WaitingMeetings:
    """Batches of schema `frames.MEETINGS`, in the order in which they came."""

    def __init__(self, window_ms: int) -> None:
        self.window_ms = window_ms
        self._batches: list[pa.RecordBatch] = []

    def add(self, meetings: pa.RecordBatch) -> None:
        if meetings.num_rows:
            self._batches.append(meetings)

    def take(self, end: int) -> list[tuple[int, pa.RecordBatch]]:
        """The meetings before `end` (ms) by the start of their window, oldest first; after a jump of the watermark
        these may be many windows. The later ones wait on.
        """
        meetings = frames.join(self._batches, frames.MEETINGS)
        times = meetings.column("occurred_at").to_numpy()
        self._batches = [meetings.filter(pa.array(times >= end))]
        order = np.argsort(times, kind="stable")
        order = order[: np.searchsorted(times[order], end)]
        due = meetings.take(pa.array(order))
        starts, first = np.unique(tumbling(times[order], self.window_ms), return_index=True)
        lengths = np.diff(np.r_[first, len(order)])
        return [
            (s, due.slice(at, n)) for s, at, n in zip(starts.tolist(), first.tolist(), lengths.tolist(), strict=True)
        ]

    def snapshot(self) -> dict[str, npt.NDArray[Any]]:
        return pack_blobs("meetings", [frames.encode(b) for b in self._batches])

    def restore(self, arrays: Arrays) -> None:
        self._batches = [frames.decode(b) for b in unpack_blobs("meetings", arrays)]
