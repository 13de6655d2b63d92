"""A floor for languages: in each prefix of a published ranking as many items of protected ones as a fair ranking has.

A ranking is fair that could be a row of tosses, each a protected item with probability `share`. The least number in
each prefix is such that a fair ranking falls short of it in any of them with probability ALPHA at most: FA*IR (Zehlike
et al., "FA*IR: A Fair Top-k Ranking Algorithm", CIKM 2017), with its significance adjusted for many tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from shared.languages import UNKNOWN_LANGUAGE

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

ALPHA: Final = 0.1


class Floor(NamedTuple):
    """`protected`: a mask over the items; `least`: how many of them are to be among the first 1, 2, ... places."""

    protected: Mask
    least: I64


@dataclass(frozen=True)
class LanguageFloor:
    """`share`: in [0, 1), 0 for none. `languages`: which are protected; where none is named, all but the one that most
    likes are in. What is of no known language is not protected, unless that is named.
    """

    share: float = 0.0
    languages: frozenset[str] = frozenset()

    def least(self, places: int) -> I64:
        """The least number of protected items among the first 1, 2, ... places, shape (places,)."""
        return np.array(least_protected(self.share, places), np.int64)

    def protects(self, names: Sequence[str], likes: F64) -> Mask:
        """Which languages are protected, by how many likes each has, shapes (n,). The first stands for all that have no
        place of their own: each of them is a small one.
        """
        if self.languages:
            return np.array([name in self.languages for name in names], np.bool_)
        protected = np.array([name != UNKNOWN_LANGUAGE for name in names], np.bool_)
        greatest = np.where(protected, likes, 0.0)
        greatest[0] = 0.0
        if not greatest.any():
            return np.zeros(len(names), np.bool_)
        protected[np.argmax(greatest)] = False
        return protected


@cache
def least_protected(share: float, places: int, alpha: float = ALPHA) -> tuple[int, ...]:
    """FA*IR's table: the most that a fair ranking falls short of, anywhere, with probability `alpha` at most."""
    at_most = having_at_most(share, places)
    # The table changes only where the significance of one prefix is one of these.
    steps = np.unique(at_most[at_most <= alpha])
    found = np.zeros(places, np.int64)
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high) // 2
        least = (at_most <= steps[middle]).sum(axis=1)
        if falls_short(least, share) <= alpha:
            found, low = least, middle + 1
        else:
            high = middle
    return tuple(found.tolist())


def having_at_most(share: float, places: int) -> F64:
    """The probability that a fair ranking has j protected items at most among its first k, at [k - 1, j]. Those that
    are not above a significance are as many as one prefix needs at least.
    """
    found = np.ones((places, places + 1))
    for k in range(1, places + 1):
        found[k - 1, : k + 1] = np.cumsum([math.comb(k, j) * share**j * (1 - share) ** (k - j) for j in range(k + 1)])
    return found


def falls_short(least: I64, share: float) -> float:
    """The probability that a fair ranking has fewer protected items than `least` in some prefix; shape (places,)."""
    having = np.zeros(len(least) + 1)
    having[0] = 1.0
    for needed in least.tolist():
        having[1:] = having[1:] * (1 - share) + having[:-1] * share
        having[0] *= 1 - share
        having[:needed] = 0.0
    return 1.0 - float(having.sum())


@njit(cache=True)
def lift(
    top: Any, score: Any, filled: int, best: Any, best_score: Any, found: int, protected: Any, least: Any, place: Any
) -> None:
    """Bring `top`, a ranking of `filled` items, to its floor: where a prefix is short, the best protected item that is
    not there yet comes next (FA*IR's algorithm). `best`: the `found` best protected items of all candidates, in the
    order that those in `top` have. `place`: filled with where each item was before, len(place) for farther out.
    """
    before, scored = top.copy(), score.copy()
    was_at = np.full(found, len(place))
    mine = 0
    for k in range(filled):
        if protected[before[k]]:
            was_at[mine] = k
            mine += 1
    # Of the ranking as it was: the next place, and how many protected items stand before it.
    at = passed = taken = 0
    for k in range(filled):
        while protected[before[at]] and passed < taken:
            at += 1
            passed += 1
        if taken < least[k] and taken < found:
            top[k], score[k], place[k] = best[taken], best_score[taken], was_at[taken]
            taken += 1
        else:
            top[k], score[k], place[k] = before[at], scored[at], at
            if protected[before[at]]:
                passed += 1
                taken += 1
            at += 1
