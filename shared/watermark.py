"""How far event time is, as sources say.

Terms as in Akidau et al., "The Dataflow Model" (VLDB 2015): a window is closed once the watermark has passed its end;
what comes for a closed window is late.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from shared.frames import Progress

I64 = npt.NDArray[np.int64]

UNKNOWN: Final = -1


class Watermark:
    """The least of several sources' watermarks; unknown until every source has spoken."""

    def __init__(self, sources: int) -> None:
        self._latest: I64 = np.full(sources, UNKNOWN, np.int64)

    def advance(self, source: int, watermark_ms: int) -> None:
        """A source's watermark never goes back."""
        self._latest[source] = max(self._latest[source], watermark_ms)

    def follow(self, progress: Progress, lateness_ms: int) -> None:
        """Each source is taken to be `lateness_ms` less far than it says; one that never had a like stays unknown."""
        for source, latest_ms in progress.watermarks.items():
            self.advance(source, latest_ms - lateness_ms)

    @property
    def now(self) -> int:
        return int(self._latest.min())

    def snapshot(self) -> npt.NDArray[Any]:
        return self._latest.copy()

    def restore(self, saved: npt.NDArray[Any]) -> None:
        self._latest = saved.astype(np.int64)
