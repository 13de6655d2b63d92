"""The forecast of a like by what was put before its actor, learnt as likes come.

A like is one of what was shown within the attribution window with probability rho, else one of the rest. Which one of
what was shown is a conditional logit (McFadden, "Conditional logit analysis of qualitative choice behavior", 1974;
`shown_items`), rho a logit: by how long ago the latest slate was, by how probable the most probable item is, and by how
many slates came since the actor's like before. The rest goes as history says, or, with shares that are learnt too, as
popularity does, or to anything alike; and more or less of it is new. History is right of all likes; what it foretells
best is what recommenders show, and of what they leave over it knows less.

Coefficients are learnt like by like by Titterington's recursion ("Recursive parameter estimation using incomplete
data", JRSS B 46, 1984; the information's diagonal), shares by expectation and maximisation step by step (Cappé and
Moulines 2009): a like of something shown counts as far as it was more probable by the slate than otherwise. Each like's
forecast is from those before it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from services.choice import shown_items
from services.choice.log import ATTRIBUTION_MS, F64, Bools, Likes, Shown
from services.choice.recent_slates import MOST_ITEMS, SLATES, RecentSlates
from services.choice.shown_items import (
    AGES,
    LIKED,
    RANKS,
    WEIGHTS,
    age_of,
    doubling,
    larger,
    learn,
    learn_stated,
    new_room,
    state,
    weigh,
)
from shared.checkpoints import Arrays
from shared.hashing import U64

LEAST_PROBABILITY: Final = 2.0**-16
# What rho begins as, and for how much what is believed before any like counts, in information.
RHO: Final = 0.3
PRIOR: Final = 2.0
# What the shares of history, of popularity and of anything alike begin as, and how many likes that counts for.
SHARES: Final = (0.85, 0.1, 0.05)
SHARES_PRIOR: Final = 20.0
# How much information on what is new is remembered: a young catalogue fills within hours.
REMEMBERED_NEW: Final = 30.0
# Of the logit of rho: one of all likes, then of ages, of the most probable item by doublings, and of slates.
_TOPS: Final = 10
_TOP: Final = 1 + AGES
_NEW: Final = _TOP + _TOPS
_OF_RHO: Final = _NEW + SLATES + 1
_LEARNT: Final = ("weight", "of_weight", "rho", "of_rho", "shares", "new")


class Forecasts(NamedTuple):
    """What was forecast of each like before it came, whatever was shown; shapes (n,), names as of `log.Likes`. Where
    p_new is not a number, nothing is known of what is new.
    """

    p_history: F64
    p_popular: F64
    p_any: F64
    p_new: F64
    is_new: Bools

    @classmethod
    def of(cls, likes: Likes) -> Forecasts:
        """Of likes that have forecasts."""
        history, popular = (np.maximum(p, LEAST_PROBABILITY) for p in (likes.p_history, likes.p_popular))
        # A predictor of before does not say how probable anything alike is.
        anything = np.where(np.isfinite(likes.p_any), np.maximum(likes.p_any, LEAST_PROBABILITY), popular)
        return cls(history, popular, anything, likes.p_new, likes.is_new)

    def take(self, which: Any) -> Forecasts:
        return Forecasts(*(column[which] for column in self))


class Believed(NamedTuple):
    """Of each like as it stood before it: the probability that it had among what was shown, rho, how much of the rest
    goes by popularity and to anything alike, and what becomes of the probability of what is known and of what is new.
    Where its actor was shown nothing the rest is as history says. Shapes (n,).
    """

    p_slate: F64
    rho: F64
    popular: F64
    anything: F64
    of_known: F64
    of_new: F64

    def p_shown(self, by: Forecasts) -> F64:
        history = 1 - self.popular - self.anything
        known = self.of_known * (history * by.p_history + self.popular * by.p_popular + self.anything * by.p_any)
        # Something new is as probable by each of the three.
        rest = np.where(by.is_new, self.of_new * by.p_history, known)
        return (1 - self.rho) * rest + self.rho * self.p_slate


def history_alone(n: int) -> Believed:
    return Believed(*np.zeros((4, n)), *np.ones((2, n)))


class Mixture:
    """What was learnt so far, and what was shown lately. What comes out does not depend on how likes and slates are cut
    into calls, as long as a call has all slates of up to its last like.
    """

    def __init__(self, most_items: int = MOST_ITEMS) -> None:
        self._slates = RecentSlates(RANKS, most_items)
        # Coefficients, and the information on each so far.
        self._weight, self._of_weight = np.zeros(WEIGHTS), np.full(WEIGHTS, shown_items.PRIOR)
        self._rho, self._of_rho = np.zeros(_OF_RHO), np.full(_OF_RHO, PRIOR)
        self._rho[0] = _logit(RHO)
        # The shares of history, popularity and anything alike, and how many likes they are from.
        self._shares = np.array([*SHARES, SHARES_PRIOR])
        # What is added to the logit of what is new, and the information on it.
        self._new = np.array([0.0, PRIOR])

    def forecast(self, likes: Likes, forecasts: Forecasts, shown: Shown, given: Bools | None = None) -> Believed:
        """By like, in the order of the log. `given`: which were given and are learnt; the others are what might have
        been liked instead. By default all.
        """
        found = history_alone(len(likes))
        given = np.ones(len(likes), np.bool_) if given is None else given
        slates = self._slates
        slot_of_like = slates.add(shown, likes.actor)
        slates.inserted = _learn(
            likes.target, likes.time, forecasts, given, slot_of_like,
            *slates.arrays(), slates.inserted, slates.clock,
            self._weight, self._of_weight, self._rho, self._of_rho, self._shares, self._new, found,
        )  # fmt: skip
        slates.pass_time(int(likes.time.max(initial=0)))
        return found

    def forget(self, actors: U64) -> None:
        """What these actors were shown; what was learnt of all together stays."""
        self._slates.forget(actors)

    def snapshot(self) -> Arrays:
        learnt = {name: getattr(self, f"_{name}").copy() for name in _LEARNT}
        return {**self._slates.snapshot(), **{f"mixture.{name}": array for name, array in learnt.items()}}

    def restore(self, arrays: Arrays) -> None:
        self._slates.restore(arrays)
        if "mixture.theta" in arrays:
            # A snapshot of before has one rho, and weights of ranks only.
            rho, likes = arrays["mixture.of_shown"].tolist()
            self._rho[0] = _logit(rho / likes)
            self._weight[:RANKS] = np.log(arrays["mixture.theta"])
            return
        for name in _LEARNT:
            # One of before has no shares of shares, and learns them.
            if f"mixture.{name}" in arrays:
                setattr(self, f"_{name}", arrays[f"mixture.{name}"].copy())


def _logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


@njit(cache=True)
def _learn(
    target: Any, time: Any, forecasts: Forecasts, given: Any, slot_of_like: Any,
    slate_time: Any, begin: Any, end: Any, first: int, first_item: int, shown: Any, rank: Any,
    slots: Any, ring: Any, count: Any, liked: Any, inserted: int, clock: int,
    weight: Any, of_weight: Any, rho: Any, of_rho: Any, shares: Any, new_ones: Any, found: Believed,
) -> int:  # fmt: skip
    """Fill in each like's forecast, then learn it. A slate is known to likes from its time on. Returns how many slates
    are in their actors' rings now.
    """
    factor, room = np.exp(weight), new_room(1024)
    of_mine = np.zeros(4, np.int64)
    were = inserted
    for i in range(len(target)):
        clock = max(clock, time[i])
        while inserted < len(slate_time) and slate_time[inserted] <= clock:
            slot = slots[inserted - were]
            ring[slot, count[slot] % SLATES] = first + inserted
            count[slot] += 1
            inserted += 1
        slot = slot_of_like[i]
        if slot < 0:
            continue
        known, new, places = 0, 0, 0
        # The latest first.
        for k in range(count[slot] - 1, max(0, count[slot] - SLATES) - 1, -1):
            s = ring[slot, k % SLATES] - first
            if s >= 0 and time[i] - ATTRIBUTION_MS <= slate_time[s] <= time[i]:
                room.begin[known], room.end[known] = begin[s] - first_item, end[s] - first_item
                room.age[known] = age_of(time[i] - slate_time[s])
                new += k >= liked[slot]
                places += end[s] - begin[s]
                known += 1
        if given[i]:
            liked[slot] = count[slot]
        if known == 0:
            continue
        if places > len(room.p):
            room = larger(room, places)
        items, top = weigh(room, i, known, new, shown, rank, factor)
        of_mine[1] = 1 + room.age[0]
        of_mine[2] = _TOP + min(doubling(top), _TOPS - 1)
        of_mine[3] = _NEW + new
        logit = 0.0
        for c in of_mine:
            logit += rho[c]
        r = 1.0 / (1.0 + np.exp(-logit))
        p, otherwise = state(room, items, r, factor, target[i])
        found.p_slate[i], found.rho[i] = p / (1.0 - otherwise), 1.0 - otherwise
        rest = _state_rest(i, forecasts, shares, new_ones, found)
        if not given[i]:
            continue
        by_slate = p / (p + otherwise * rest)
        _learn_rest(i, 1.0 - by_slate, forecasts, shares, new_ones, found)
        for c in of_mine:
            of_rho[c] += r * (1.0 - r)
            rho[c] += (by_slate - r) / of_rho[c]
        learn_stated(room, items, target[i], by_slate, weight, of_weight, factor)
        if p == 0.0:
            continue
        learn(room, known, items, rank, target[i], by_slate, weight, of_weight, factor)
        for s in range(known):
            for k in range(room.begin[s], room.end[s]):
                if shown[k] == target[i]:
                    rank[k] = LIKED
    return inserted


@njit(cache=True)
def _state_rest(i: int, forecasts: Forecasts, shares: Any, new_ones: Any, found: Believed) -> float:
    """Fill in what is believed of the rest; returns the like's probability by that."""
    found.popular[i], found.anything[i] = shares[1], shares[2]
    p_new = forecasts.p_new[i]
    # Else it is not known, or nothing is.
    if 0.0 < p_new < 1.0:
        odds = p_new / (1.0 - p_new) * np.exp(new_ones[0])
        found.of_new[i] = odds / (1.0 + odds) / p_new
        found.of_known[i] = 1.0 / (1.0 + odds) / (1.0 - p_new)
    if forecasts.is_new[i]:
        return found.of_new[i] * forecasts.p_history[i]
    by_all = shares[0] * forecasts.p_history[i] + shares[1] * forecasts.p_popular[i] + shares[2] * forecasts.p_any[i]
    return found.of_known[i] * by_all


@njit(cache=True)
def _learn_rest(
    i: int, otherwise: float, forecasts: Forecasts, shares: Any, new_ones: Any, found: Believed
) -> None:  # fmt: skip
    """As far as the like was `otherwise` than by what was shown."""
    p_new, is_new = forecasts.p_new[i], forecasts.is_new[i]
    if 0.0 < p_new < 1.0:
        stated = found.of_new[i] * p_new
        new_ones[1] = min(new_ones[1] + otherwise * stated * (1.0 - stated), REMEMBERED_NEW)
        new_ones[0] += otherwise * ((1.0 if is_new else 0.0) - stated) / new_ones[1]
    if is_new:
        return
    history, popular = shares[0] * forecasts.p_history[i], shares[1] * forecasts.p_popular[i]
    anything = shares[2] * forecasts.p_any[i]
    step = otherwise / (history + popular + anything)
    shares[3] += otherwise
    for k, part in enumerate((history, popular, anything)):
        shares[k] += (step * part - otherwise * shares[k]) / shares[3]
