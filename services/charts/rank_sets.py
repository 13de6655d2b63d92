"""Which ranks an entry can have: sets that hold for all entries of a chart at once with probability LEVEL.

All scores' intervals hold at once (Bonferroni), and an entry whose interval lies wholly above another's ranks before it
(Klein, Wright, Wieczorek, "A joint confidence region for an overall ranking of populations", JRSS C 69(3), 2020; beside
it Mogstad, Romano, Shaikh, Wilhelm, "Inference for ranks", Review of Economic Studies 91(1), 2024, whose sets are
narrower and would need every pair of entries).

A score is a sum of weights of likes that come independently of each other, so that its variance is about the sum of
their squares; its interval is Fay and Feuer's for such sums ("Confidence intervals for directly standardized rates",
Statistics in Medicine 16, 1997), which keeps its level where likes are few, with Wilson and Hilferty's quantile. An
actor who likes several works of a creator, or one work again, is taken for several actors: then sets are too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

LEVEL: Final = 0.95
# A like weighs at most this.
HEAVIEST: Final = 1.0


@dataclass(frozen=True)
class RankSets:
    """First and last rank that each entry can have, shapes (n,), 1 the best; `high` 0: any from `low` on."""

    low: I64
    high: I64


def score_intervals(weight: F64, squares: F64, among: int, level: float = LEVEL) -> tuple[F64, F64]:
    """Where the expected scores are, all of `among` entries at once. Shapes (n,).

    `weight`, `squares`: sums of each entry's likes' weights and of their squares.
    """
    reach = NormalDist().inv_cdf(1 - (1 - level) / (2 * max(among, 1)))
    some = weight > 0
    safe, by = np.where(some, weight, 1.0), np.where(some, squares, 1.0)
    low = np.where(some, _quantile(safe**2 / by, by / safe, -reach), 0.0)
    more, by = weight + HEAVIEST, squares + HEAVIEST**2
    return low, _quantile(more**2 / by, by / more, reach)


def _quantile(shape: F64, scale: F64, normal: float) -> F64:
    """Of a gamma distribution, at the standard normal's quantile `normal` (Wilson and Hilferty 1931)."""
    found: F64 = shape * scale * np.maximum(1 - 1 / (9 * shape) + normal / (3 * np.sqrt(shape)), 0) ** 3
    return found


def rank_sets(weight: F64, squares: F64, of: I64, missed: float = 0.0, level: float = LEVEL) -> RankSets:
    """Of the entries numbered `of` among all of a chart.

    `missed`: the score that an entry may have which the chart has dropped, or that an entry may lack.
    """
    low, high = score_intervals(weight, squares, len(weight), level)
    if missed:
        # As if all that is missed had come, with full weight.
        _, high = score_intervals(weight + missed, squares + missed, len(weight), level)
    lows, highs = np.sort(low), np.sort(high)
    surely_better = len(lows) - np.searchsorted(lows, high[of], "right")
    surely_worse = np.searchsorted(highs, low[of], "left")
    last = len(weight) - surely_worse
    if missed:
        (hidden,) = score_intervals(np.array([missed]), np.array([missed]), len(weight), level)[1]
        last = np.where(low[of] > hidden, last, 0)
    return RankSets(surely_better.astype(np.int64) + 1, last.astype(np.int64))
