"""How many windows of each scale hold likes and are over: what a row about windows must prove first."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

MINUTE_MS: Final = 60_000
# The scales of lockstep up to an hour, and the window of summaries.
SCALES_MS: Final = (MINUTE_MS, 5 * MINUTE_MS, 10 * MINUTE_MS, 60 * MINUTE_MS)


class Windows:
    """Counts tumbling windows from the event times (ms) of likes, nothing else."""

    def __init__(self, lateness_ms: int) -> None:
        self._lateness_ms = lateness_ms
        self._starts: dict[int, set[int]] = {scale: set() for scale in SCALES_MS}
        self._latest_ms = 0

    def add(self, times: Any) -> None:
        """Times of likes, in ms, shape (n,)."""
        for scale, starts in self._starts.items():
            starts.update((np.unique(times // scale) * scale).tolist())
        self._latest_ms = max(self._latest_ms, int(times.max()))

    def closed(self) -> dict[int, int]:
        """Windows with likes whose end the latest like is beyond, by more than the lateness, by scale."""
        now = self._latest_ms - self._lateness_ms
        return {scale: sum(s + scale <= now for s in starts) for scale, starts in self._starts.items()}


class TooFew(Exception):
    """Fewer windows closed than the row says: its figure would say nothing about them."""


def require(closed: dict[int, int], promised: dict[int, int]) -> None:
    """Raises TooFew."""
    lacking = [f"{closed.get(s, 0)} of {n} windows of {named(s)}" for s, n in promised.items() if closed.get(s, 0) < n]
    if lacking:
        raise TooFew("closed only " + ", ".join(lacking))


def named(scale_ms: int) -> str:
    """As people say it: 60 s, 10 min, 1 h."""
    if scale_ms % (60 * MINUTE_MS) == 0:
        return f"{scale_ms // (60 * MINUTE_MS)} h"
    return f"{scale_ms // MINUTE_MS} min" if scale_ms > MINUTE_MS else f"{scale_ms // 1000} s"


def said(closed: dict[int, int]) -> str:
    return ", ".join(f"{n:,} of {named(scale)}" for scale, n in closed.items())
