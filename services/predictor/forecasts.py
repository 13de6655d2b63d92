"""What was forecast of a like before it came: how probable it was, given that this user likes something now.

By popularity: something that nobody liked before, with the share of likes that were of such things lately; else one of
what is known, by its share of the trusted likes of about the last month, or any of them alike, times a factor of its
level (`levels`). Those who would like what is liked most have liked it already: it comes less often than its share. By
history: `prequential`, and for what is in no place of the ranking `Shares`. Either is a distribution over what is known
and something new; new things are taken for as many as those that are known.

How much is new, and how much is of anything alike, is learnt from the likes that are scored, of the latest most, by
expectation and maximisation step by step (Cappé and Moulines 2009); the factors by minorisation and maximisation
(Hunter 2004), likes that came of a level by what was offered of it. What such a like taught is not taken back: these
are parameters of forecasts of all users, as the record of places is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from services.predictor.levels import LAST, LEVELS
from services.predictor.ranking import Places

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Shares that are learnt: of likes, those of new things; of likes of what is known, those that any thing might have got
# alike; the same of likes of what is in no place of the ranking; of likes of what is known, what its user had liked
# before.
NEW, ALIKE, ALIKE_UNRANKED, AGAIN = range(4)
# About how many likes each remembers. How much is new changes fastest: a young catalogue fills within hours.
REMEMBERED: Final = np.array([64.0, 512.0, 512.0, 512.0])
# What each begins as: one of two likes. As if so much of a like had come of either kind always: nothing is impossible.
PRIOR: Final = (1.0, 2.0)
LEAST: Final = 0.01
# By level, of likes of what is known: those that came of it, and the probability of it that was stated, by its factor.
CAME, OFFERED = range(2)
REMEMBERED_BY_LEVEL: Final = 512.0
# As if so many likes had come of each level, and as many had been stated.
PRIOR_BY_LEVEL: Final = 16.0


@dataclass(frozen=True)
class Rest:
    """By like: how probable it was by popularity, how probable were anything alike, and how probable something new was
    at all; how probable it was among its kind (what is new, what its user had liked before, or else what is in no place
    of the ranking), and how probable that kind was, all but the first two as one; whether it was of something new; how
    many things are in no place of the ranking, and not its user's. Shapes (n,).
    """

    p_popular: F64
    p_any: F64
    p_new: F64
    among: F64
    of_kind: F64
    is_new: Bools
    unranked: I64

    def take(self, at: I64) -> Rest:
        return Rest(*(getattr(self, column.name)[at] for column in fields(self)))


def nothing_stated(is_new: Bools) -> Rest:
    """Of likes that are not followed yet."""
    n = len(is_new)
    p_popular, p_any, p_new, among = np.full((4, n), np.nan)
    return Rest(p_popular, p_any, p_new, among, np.zeros(n), is_new, np.ones(n, np.int64))


class Shares:
    """What is learnt of all likes: due likes and of how many, shape (4, 2); and `by_level`, shape (2, LEVELS)."""

    def __init__(self) -> None:
        self.by_level: F64 = np.zeros((2, LEVELS))
        self.learnt: F64 = np.tile(PRIOR, (len(REMEMBERED), 1))

    def observe(self, places: Places, known: I64, is_new: Bools) -> Rest:
        """State of each like of a batch in log order what was probable before it, then learn it; nothing where it was
        not scored. `known`: how many things there were before it. Shapes (n,).
        """
        rest = nothing_stated(is_new)
        _follow(places, known, is_new, self.learnt, self.by_level, columns_of(rest))
        return rest


class Columns(NamedTuple):
    """What is filled in of a `Rest`."""

    p_popular: Any
    p_any: Any
    p_new: Any
    among: Any
    of_kind: Any
    unranked: Any


def columns_of(rest: Rest) -> Columns:
    return Columns(*(getattr(rest, name) for name in Columns._fields))


@njit(cache=True)
def shares_of(learnt: Any) -> Any:
    """By kind (NEW, ...), what is stated of the next like."""
    return (learnt[:, 0] + LEAST) / (learnt[:, 1] + 2.0 * LEAST)


@njit(cache=True)
def unranked_of(known: int, candidates: int, held: int) -> int:
    """How many things are in no place of a ranking, and not among the likes `held` of its user. What was liked twice
    is taken off twice: near enough, and the same whatever comes.
    """
    return max(known - candidates - held, 1)


@njit(cache=True)
def blended(alike: float, share: float, shares: float, count: float, known: int) -> float:
    """How probable a thing of this share of likes is among `count` of the `known` that have `shares` together."""
    part: float = (1.0 - alike) * share + alike / known
    return part / ((1.0 - alike) * max(shares, share) + alike * count / known)


@njit(cache=True)
def factors_of(by_level: Any) -> Any:
    """By level, how much more often things were liked than their share and any alike would have it."""
    return (by_level[CAME] + PRIOR_BY_LEVEL) / (by_level[OFFERED] + PRIOR_BY_LEVEL)


@njit(cache=True)
def blended_by_level(shares: Any, things: Any, alike: float, known: int) -> Any:
    """What is stated of the things of each level, but for the factors; `shares`, `things`: as of `levels.by_level`."""
    found, any_one, share_left, left = np.empty(LEVELS), alike / known, 1.0, float(known)
    for level in range(LAST):
        found[level] = (1.0 - alike) * shares[level] + any_one * things[level]
        share_left -= shares[level]
        left -= things[level]
    # Where nothing is left, perhaps a little less than that by rounding.
    found[LAST] = (1.0 - alike) * max(share_left, 0.0) + any_one * left
    return found


@njit(cache=True)
def _learn(learnt: Any, which: int, due: float) -> None:
    fading = 1.0 - 1.0 / REMEMBERED[which]
    learnt[which, 0] = fading * learnt[which, 0] + due
    learnt[which, 1] = fading * learnt[which, 1] + 1.0


@njit(cache=True)
def _learn_alike(learnt: Any, which: int, alike: float, share: float, known: int) -> None:
    """By how probable it is that this like was of anything alike."""
    any_one = alike / known
    _learn(learnt, which, any_one / (any_one + (1.0 - alike) * share))


@njit(cache=True)
def _learn_level(by_level: Any, level: int, of_level: Any, factors: Any) -> float:
    """Learn a like of this level, and what was stated `of_level`, of each; returns what all that came to."""
    whole = 0.0
    for k in range(LEVELS):
        whole += factors[k] * of_level[k]
    fading, per_whole = 1.0 - 1.0 / REMEMBERED_BY_LEVEL, 1.0 / whole
    for k in range(LEVELS):
        by_level[CAME, k] *= fading
        by_level[OFFERED, k] = fading * by_level[OFFERED, k] + of_level[k] * per_whole
    by_level[CAME, level] += 1.0
    return whole


@njit(cache=True)
def follow_like(i: int, places: Places, known: Any, is_new: Any, learnt: Any, by_level: Any, rest: Columns) -> None:
    """Fill in like `i` of a `Rest`, if it was scored, then learn it."""
    if places.rank[i] < 0:
        return
    share = shares_of(learnt)
    rest.p_new[i] = share[NEW]
    rest.unranked[i] = unranked_of(known[i], places.candidates[i], places.held[i])
    _learn(learnt, NEW, 1.0 if is_new[i] else 0.0)
    if is_new[i]:
        rest.of_kind[i] = share[NEW]
        rest.among[i] = 1.0 / (known[i] + 1.0)
        rest.p_popular[i] = rest.p_any[i] = share[NEW] * rest.among[i]
        return
    mine = places.popularity[i]
    rest.p_any[i] = (1.0 - share[NEW]) / known[i]
    factors, level = factors_of(by_level), places.level[i]
    of_level = blended_by_level(places.level_shares[i], places.level_things[i], share[ALIKE], known[i])
    factor = factors[level] / _learn_level(by_level, level, of_level, factors)
    rest.p_popular[i] = (1.0 - share[NEW]) * factor * blended(share[ALIKE], mine, 1.0, known[i], known[i])
    _learn_alike(learnt, ALIKE, share[ALIKE], mine, known[i])
    again, own, owned = places.again[i], places.own[i], places.own_popularity[i]
    rest.of_kind[i] = (1.0 - share[NEW]) * (share[AGAIN] if again else 1.0 - share[AGAIN])
    _learn(learnt, AGAIN, 1.0 if again else 0.0)
    if places.rank[i] > 0:
        return
    if again:
        rest.among[i] = blended(share[ALIKE_UNRANKED], mine, owned, own, known[i])
    else:
        left, others = 1.0 - places.ranked[i] - owned, known[i] - places.candidates[i] - own
        rest.among[i] = blended(share[ALIKE_UNRANKED], mine, left, others, known[i])
        _learn_alike(learnt, ALIKE_UNRANKED, share[ALIKE_UNRANKED], mine, known[i])


@njit(cache=True)
def _follow(places: Places, known: Any, is_new: Any, learnt: Any, by_level: Any, rest: Columns) -> None:
    for i in range(len(known)):
        follow_like(i, places, known, is_new, learnt, by_level, rest)
