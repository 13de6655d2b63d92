"""Latencies as counts in fixed buckets: mergeable, bounded, and filled a frame at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

# Upper edges in ms, a factor of 2**(1/4) apart (19 %): 1 ms to 4.6 hours.
EDGES_MS: Final = np.round(2 ** (np.arange(0, 96) / 4), 3)


class LatencyHistogram:
    """Counts of latencies; quantiles are exact to one bucket."""

    def __init__(self) -> None:
        self.counts = np.zeros(len(EDGES_MS) + 1, np.int64)
        self.sum_ms = 0.0

    def observe(self, latencies_ms: npt.NDArray[np.int64]) -> None:
        """Add latencies in ms, shape (n,). Negative ones (clocks that differ) count as 0."""
        clipped = np.maximum(latencies_ms, 0)
        self.counts += np.bincount(np.searchsorted(EDGES_MS, clipped), minlength=len(self.counts))
        self.sum_ms += float(clipped.sum())

    def cumulative(self) -> list[tuple[float, int]]:
        """(upper edge in ms, number of latencies up to it), the last edge infinite."""
        totals = np.cumsum(self.counts)
        return [(float(e), int(n)) for e, n in zip([*EDGES_MS, np.inf], totals, strict=True)]


def quantile(cumulative: Sequence[tuple[float, float]], q: float) -> float | None:
    """Upper edge of the bucket that holds the q-quantile; None of an empty histogram."""
    total = cumulative[-1][1] if cumulative else 0
    if total == 0:
        return None
    return next(edge for edge, count in cumulative if count >= q * total)
