"""Event-time windows. No clock: time comes with the data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]


def tumbling(times_ms: I64, size_ms: int) -> I64:
    """Start of the window that holds each time. Shape (n,)."""
    return times_ms - times_ms % size_ms


def beyond(horizon_ms: int, now: int) -> int:
    """What lies before this (ms) is beyond the horizon. It moves in steps, of a thirtieth of the horizon: tables are
    searched whole for what has to go, and when that happens must not depend on how far the watermark jumps.
    """
    step = max(horizon_ms // 30, 1)
    return (now - horizon_ms) // step * step
