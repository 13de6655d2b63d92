"""The rate signal: an actor's likes in a window against its own past and against the stream's.

Counts of likes per active actor and window are near log-normal, with honest bursts (people rate or like in
sittings). So a count is measured in robust deviations of log counts, from the median of the stream or the
actor's own mean, whichever is higher: a burst that is usual here, or usual for this actor, is no evidence.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

BINS_PER_OCTAVE: Final = 8
BINS: Final = 20 * BINS_PER_OCTAVE
LEAST_DEVIATION: Final = 0.5
TOLERATED_DEVIATIONS: Final = 4.0
LOG_ODDS_PER_DEVIATION: Final = 1.5
MOST_LOG_ODDS: Final = 8.0
LEAST_SUSPICIOUS_COUNT: Final = 10
# Until this many actor windows were seen: a wide guess, so that nobody is judged against nothing.
FEWEST_WINDOWS: Final = 200
COLD_LOCATION: Final = float(np.log(3.0))
COLD_SPREAD: Final = 1.2
MEMORY_WINDOWS: Final = 0.98
OWN_MEMORY: Final = 0.8


class StreamBaseline:
    """Log counts per actor and window as a histogram that forgets; its median and spread."""

    def __init__(self) -> None:
        self.histogram: F64 = np.zeros(BINS)

    def learn(self, counts: npt.NDArray[Any]) -> None:
        """Take in one closed window's counts, shape (n,), all >= 1."""
        bins = np.minimum((np.log2(counts) * BINS_PER_OCTAVE).astype(np.int64), BINS - 1)
        self.histogram *= MEMORY_WINDOWS
        self.histogram += np.bincount(bins, minlength=BINS)

    def location_and_spread(self) -> tuple[float, float]:
        """Median and deviation (from the upper quartile) of the natural log of counts."""
        total = self.histogram.sum()
        if total < FEWEST_WINDOWS:
            return COLD_LOCATION, COLD_SPREAD
        cumulative = np.cumsum(self.histogram)
        median, upper = (
            float(np.searchsorted(cumulative, q * total)) / BINS_PER_OCTAVE * np.log(2) for q in (0.5, 0.75)
        )
        return median, max((upper - median) / 0.6745, LEAST_DEVIATION)


def log_odds(counts: npt.NDArray[Any], own_log_mean: F64, location: float, spread: float) -> tuple[F64, F64]:
    """Log-odds for automation of each count and the baseline count it was compared with. Shapes (n,)."""
    centre = np.maximum(own_log_mean, location)
    deviations = (np.log(np.maximum(counts, 1)) - centre) / spread
    odds = np.clip((deviations - TOLERATED_DEVIATIONS) * LOG_ODDS_PER_DEVIATION, 0.0, MOST_LOG_ODDS)
    return np.where(counts >= LEAST_SUSPICIOUS_COUNT, odds, 0.0), np.exp(centre)
