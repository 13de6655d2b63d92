"""Choice bits: how the surprise of a like is parted among what everybody likes, one's own past, and what was shown.

With p the probability of the liked item given that this person likes something now, each at least 2^-16,

    log2(1 / p_popular) = H + E + R
    H = log2(p_history / p_popular)    what one's own past foretold
    E = log2(p_shown / p_history)      what was put before one
    R = log2(1 / p_shown)              what neither foretold

p_shown is a mixture of forecasts: with probability rho the like is one of what was shown within the attribution window,
by rank (theta), else as p_history says. Both are learnt as likes come (expectation and minorisation step by step, as
for Plackett and Luce: Hunter, "MM algorithms for generalized Bradley-Terry models", Annals of Statistics 2004), each
like's forecast from those before it. rho and theta are parameters of a forecast, and no effects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from services.choice.log import ATTRIBUTION_MS, F64, I64, Likes, Shown
from services.choice.moments import Moments

LEAST_PROBABILITY: Final = 2.0**-16
RANKS: Final = 200
# Slates within the window that are looked at, the latest.
SLATES: Final = 8
# What rho and theta begin as, and for how many likes that counts.
RHO: Final = 0.3
PRIOR: Final = 20.0


@dataclass(frozen=True)
class Bits:
    """Of likes with forecasts, shapes (n,): `at`, places among the log's likes; `shown` and `shown_first` are E in
    the two orders of the chain: whoever comes first takes the credit.
    """

    at: I64
    popular: F64
    history: F64
    shown: F64
    rest: F64
    # E where what was shown comes before one's own past.
    shown_first: F64
    p_shown: F64
    # Whether the liked item was in a slate of the window.
    was_shown: npt.NDArray[np.bool_]


def of(likes: Likes, shown: Shown) -> Bits:
    """Of the likes that have forecasts, in order of time."""
    at = np.flatnonzero(np.isfinite(likes.p_history))
    mine = likes.take(at)
    slates = _Slates(shown)
    first, stop = slates.within(mine)
    p_slate, rho = np.zeros(len(at)), np.zeros(len(at))
    p_popular, p_history = (np.maximum(p, LEAST_PROBABILITY) for p in (mine.p_popular, mine.p_history))
    _learn(mine.target, p_history, first, stop, slates.begin, slates.end, slates.target, slates.rank, p_slate, rho)
    p_shown = np.maximum((1 - rho) * p_history + rho * p_slate, LEAST_PROBABILITY)
    other = np.maximum((1 - rho) * p_popular + rho * p_slate, LEAST_PROBABILITY)
    return Bits(
        at,
        -np.log2(p_popular),
        np.log2(p_history / p_popular),
        np.log2(p_shown / p_history),
        -np.log2(p_shown),
        np.log2(other / p_popular),
        p_shown,
        p_slate > 0,
    )


class _Slates:
    """What was shown (not what was withheld), slate by slate of each actor in order of time. Arrays by slate: `begin`
    and `end` of its rows in `target` and `rank`.
    """

    def __init__(self, shown: Shown) -> None:
        rows = shown.take(~shown.withheld)
        rows = rows.take(np.lexsort((rows.rank, rows.slate, rows.time, rows.actor)))
        new = np.r_[True, rows.slate[1:] != rows.slate[:-1]] if len(rows) else np.zeros(0, np.bool_)
        self.begin = np.flatnonzero(new)
        self.end = np.r_[self.begin[1:], len(rows)].astype(np.int64) if len(rows) else np.zeros(0, np.int64)
        self.target, self.rank = rows.target, np.minimum(rows.rank, RANKS - 1)
        # The slates are in order of actor and time already.
        self._moments = Moments(rows.actor[self.begin], rows.time[self.begin])

    def within(self, likes: Likes) -> tuple[I64, I64]:
        """The slates, from and to, that each like's actor was shown in the window before it. Shapes (n,)."""
        first, stop = self._moments.between(likes.actor, likes.time - ATTRIBUTION_MS, likes.time + 1)
        return np.maximum(first, stop - SLATES), stop


@njit(cache=True)
def _weights(theta: Any, shown: Any, rank: Any, target: Any) -> tuple[float, float]:
    """Of all places of a slate, and of those where the target stands."""
    whole, here = 0.0, 0.0
    for k in range(len(rank)):
        whole += theta[rank[k]]
        if shown[k] == target:
            here += theta[rank[k]]
    return whole, here


@njit(cache=True)
def _learn(
    target: Any, p_history: Any, first: Any, stop: Any, begin: Any, end: Any, shown: Any, rank: Any,
    p_slate: Any, rho_of: Any,
) -> None:  # fmt: skip
    """Fill the probability that each like had among what was shown, and rho, as they stood before it; then learn."""
    # Of each rank: likes that were due to it, and how many had been due to it with theta 1 (minorisation).
    due, asked = np.full(RANKS, PRIOR / 10), np.full(RANKS, PRIOR / 10)
    theta = np.ones(RANKS)
    of_shown, of_all = RHO * PRIOR, PRIOR
    for i in range(len(target)):
        count = stop[i] - first[i]
        if count == 0:
            continue
        rho = of_shown / of_all
        p = 0.0
        for s in range(first[i], stop[i]):
            whole, here = _weights(theta, shown[begin[s] : end[s]], rank[begin[s] : end[s]], target[i])
            p += here / whole / count
        p_slate[i], rho_of[i] = p, rho
        both = rho * p + (1 - rho) * p_history[i]
        by_slate = rho * p / both
        of_shown += by_slate
        of_all += 1
        if by_slate == 0.0:
            continue
        for s in range(first[i], stop[i]):
            whole, here = _weights(theta, shown[begin[s] : end[s]], rank[begin[s] : end[s]], target[i])
            credit = by_slate * (here / whole / count) / p
            if credit == 0.0:
                continue
            for k in range(begin[s], end[s]):
                asked[rank[k]] += credit / whole
                if shown[k] == target[i]:
                    due[rank[k]] += credit * theta[rank[k]] / here
        for k in range(RANKS):
            theta[k] = due[k] / asked[k]
