"""Event-time windows and watermarks. No clock: time comes with the data.

Terms as in Akidau et al., "The Dataflow Model" (VLDB 2015): a window is closed once the watermark has passed
its end; what comes for a closed window is late.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]

UNKNOWN: Final = -1


def tumbling(times_ms: I64, size_ms: int) -> I64:
    """Start of the window that holds each time. Shape (n,)."""
    return times_ms - times_ms % size_ms


def hopping(times_ms: I64, size_ms: int, hop_ms: int) -> tuple[I64, I64]:
    """Every (row, window start) with start <= time < start + size. `size_ms` must be a multiple of `hop_ms`."""
    if hop_ms <= 0 or size_ms % hop_ms:
        raise ValueError(f"size {size_ms} ms must be a multiple of hop {hop_ms} ms")
    latest = tumbling(times_ms, hop_ms)
    back = np.arange(size_ms // hop_ms, dtype=np.int64) * hop_ms
    rows = np.repeat(np.arange(len(times_ms), dtype=np.int64), len(back))
    return rows, (latest[:, None] - back[None, :]).ravel()


class Watermark:
    """The least of several sources' watermarks; unknown until every source has spoken."""

    def __init__(self, sources: int) -> None:
        self._latest: I64 = np.full(sources, UNKNOWN, np.int64)

    def advance(self, source: int, watermark_ms: int) -> None:
        """A source's watermark never goes back."""
        self._latest[source] = max(self._latest[source], watermark_ms)

    @property
    def now(self) -> int:
        return int(self._latest.min())

    def snapshot(self) -> npt.NDArray[Any]:
        return self._latest.copy()

    def restore(self, saved: npt.NDArray[Any]) -> None:
        self._latest = saved.astype(np.int64)
