"""What share of a window's likers may be strangers: from the stream's calm past, and before there is one, from what
else happens now.

A window must be beyond both: 1.5 times the stream's share, and, by less, the share that 3 of 100 calm windows exceed.
Where things spread to people who hardly ever like, windows differ more than a binomial tells.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import vectorize

from services.detector.signals.likelihood_ratio import binomial
from services.detector.signals.signal import F64

FEWEST_LIKERS: Final = 15
BAR: Final = 15.0
LEAST_SHARE: Final = 0.015
TOLERANCE: Final = 1.5
# Below this many likes learnt, other likes of the present count as well; below the second, nothing is said.
ENOUGH_LIKES: Final = 1000.0
FEWEST_LIKES: Final = 200.0
# Before this many windows are learnt their spread is not known.
FEWEST_WINDOWS: Final = 20.0
QUANTILE: Final = 0.97
SPREAD_BAR: Final = 6.0
BINS: Final = 64
MOST_SHARE: Final = 0.98
# A part with likes weighs half as much after 138 more.
MEMORY: Final = 0.995


@vectorize(["float64(float64, float64, float64, float64)"], cache=True)
def usual_share(learnt_n: Any, learnt_k: Any, others_n: Any, others_k: Any) -> Any:
    """Share of strangers that a window may have; 1 where nothing is known. Arguments: likes, and strangers' among
    them, of the calm past and, without the window in question, of the present.
    """
    n, k = learnt_n, learnt_k
    if n < ENOUGH_LIKES:
        n, k = n + others_n, k + others_k
    if n < FEWEST_LIKES:
        return 1.0
    share = k / n
    # Where most of the stream are strangers 1.5 times as many cannot be: then half of those that are none are left.
    return max(min(TOLERANCE * share, (1.0 + share) / 2), LEAST_SHARE)


@vectorize(["float64(float64, float64, float64, float64)"], cache=True)
def strength(k: Any, n: Any, share: Any, spread: Any) -> Any:
    """Score over its bar of `k` strangers of `n` likers: `share` of them may be, and few windows exceed `spread`."""
    if n < FEWEST_LIKERS or share >= 1.0:
        return 0.0
    against_share = binomial(k, n, share) / BAR
    if spread <= share:
        return against_share
    return min(against_share, binomial(k, n, spread) / SPREAD_BAR)


@vectorize(["float64(float64, float64, float64)"], cache=True)
def expected_strangers(k: Any, n: Any, share: Any) -> Any:
    """How many strangers come along with the `n - k` likers who are none (and one more, so that it is never 0).

    Not n * share: in that the strangers in question would count for their own honesty.
    """
    return min((n - k + 1.0) * share / max(1.0 - share, 1e-9), k)


class Usual:
    """What is learnt of calm likes and windows."""

    def __init__(self) -> None:
        self.likes = 0.0
        self.strangers = 0.0
        # Windows by their share of strangers.
        self.windows: F64 = np.zeros(BINS)

    def learn(self, likes: int, strangers: int, shares: F64, none: int) -> None:
        """A part that is over: its calm likes, and the shares of its calm windows; `none` more have as good as no
        strangers.
        """
        self.likes = self.likes * MEMORY + likes
        self.strangers = self.strangers * MEMORY + strangers
        bins = np.minimum((shares * BINS).astype(np.int64), BINS - 1)
        self.windows = self.windows * MEMORY + np.bincount(bins, minlength=BINS)
        self.windows[0] += none

    @property
    def spread(self) -> float:
        """The share that few calm windows exceed; 0 before there are enough of them."""
        below = np.cumsum(self.windows)
        if below[-1] < FEWEST_WINDOWS:
            return 0.0
        return min(float(np.searchsorted(below, QUANTILE * below[-1]) + 1) / BINS, MOST_SHARE)

    def packed(self) -> npt.NDArray[np.float64]:
        return np.r_[self.likes, self.strangers, self.windows]

    def unpack(self, packed: npt.NDArray[Any]) -> None:
        self.likes, self.strangers = float(packed[0]), float(packed[1])
        self.windows = np.array(packed[2:])
