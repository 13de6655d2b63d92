"""The forecast of a like by what was put before its actor, learnt as likes come.

A like is one of what was shown within the attribution window with probability rho, by rank (theta), else as history
says. Both are learnt by expectation and minorisation step by step, as for Plackett and Luce (Hunter, "MM algorithms for
generalized Bradley-Terry models", Annals of Statistics 2004); each like's forecast is from those before it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from services.choice.log import ATTRIBUTION_MS, F64, Bools, Likes, Shown
from services.choice.recent_slates import MOST_ITEMS, SLATES, RecentSlates
from shared.checkpoints import Arrays
from shared.hashing import U64

RANKS: Final = 200
# What rho and theta begin as, and for how many likes that counts.
RHO: Final = 0.3
PRIOR: Final = 20.0


class Mixture:
    """rho and theta as learnt so far, and what was shown lately. What comes out does not depend on how likes and slates
    are cut into calls, as long as a call has all slates of up to its last like.
    """

    def __init__(self, most_items: int = MOST_ITEMS) -> None:
        self._slates = RecentSlates(RANKS, most_items)
        # Of each rank: likes that were due to it, and how many had been due to it with theta 1 (minorisation).
        self._due, self._asked, self._theta = np.full(RANKS, PRIOR / 10), np.full(RANKS, PRIOR / 10), np.ones(RANKS)
        # Likes that were due to slates, of those that had some.
        self._of_shown = np.array([RHO * PRIOR, PRIOR])

    def forecast(self, likes: Likes, p_history: F64, shown: Shown, given: Bools | None = None) -> tuple[F64, F64]:
        """By like, in the order of the log, the probability that it had among what was shown, and rho, as they stood
        before it: 0 and 0 where its actor was shown nothing. Shapes (n,). `given`: which were given and are learnt; the
        others are what might have been liked instead. By default all.
        """
        p_slate, rho = np.zeros(len(likes)), np.zeros(len(likes))
        given = np.ones(len(likes), np.bool_) if given is None else given
        slates = self._slates
        slot_of_like = slates.add(shown, likes.actor)
        slates.inserted = _learn(
            likes.target, likes.time, p_history, given, slot_of_like,
            *slates.arrays(), slates.inserted, slates.clock,
            self._due, self._asked, self._theta, self._of_shown, p_slate, rho,
        )  # fmt: skip
        slates.pass_time(int(likes.time.max(initial=0)))
        return p_slate, rho

    def forget(self, actors: U64) -> None:
        """What these actors were shown; what was learnt of all together stays."""
        self._slates.forget(actors)

    def snapshot(self) -> Arrays:
        learnt = {"due": self._due, "asked": self._asked, "theta": self._theta, "of_shown": self._of_shown}
        return {**self._slates.snapshot(), **{f"mixture.{name}": array.copy() for name, array in learnt.items()}}

    def restore(self, arrays: Arrays) -> None:
        self._slates.restore(arrays)
        self._due, self._asked, self._theta, self._of_shown = (
            arrays[f"mixture.{name}"].copy() for name in ("due", "asked", "theta", "of_shown")
        )


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
    target: Any, time: Any, p_history: Any, given: Any, slot_of_like: Any,
    slate_time: Any, begin: Any, end: Any, first: int, first_item: int, shown: Any, rank: Any,
    slots: Any, ring: Any, count: Any, inserted: int, clock: int,
    due: Any, asked: Any, theta: Any, of_shown: Any, p_slate: Any, rho_of: Any,
) -> int:  # fmt: skip
    """Fill in each like's forecast, then learn it. A slate is known to likes from its time on. Returns how many slates
    are in their actors' rings now.
    """
    mine = np.empty(SLATES, np.int64)
    were = inserted
    for i in range(len(target)):
        clock = max(clock, time[i])
        while inserted < len(slate_time) and slate_time[inserted] <= clock:
            slot = slots[inserted - were]
            ring[slot, count[slot] % SLATES] = first + inserted
            count[slot] += 1
            inserted += 1
        slot = slot_of_like[i]
        known = 0
        if slot >= 0:
            for k in range(max(0, count[slot] - SLATES), count[slot]):
                s = ring[slot, k % SLATES] - first
                if s >= 0 and time[i] - ATTRIBUTION_MS <= slate_time[s] <= time[i]:
                    mine[known] = s
                    known += 1
        if known == 0:
            continue
        rho = of_shown[0] / of_shown[1]
        p = 0.0
        for s in mine[:known]:
            place = slice(begin[s] - first_item, end[s] - first_item)
            whole, here = _weights(theta, shown[place], rank[place], target[i])
            p += here / whole / known
        p_slate[i], rho_of[i] = p, rho
        if not given[i]:
            continue
        by_slate = rho * p / (rho * p + (1 - rho) * p_history[i])
        of_shown[0] += by_slate
        of_shown[1] += 1
        if by_slate == 0.0:
            continue
        for s in mine[:known]:
            place = slice(begin[s] - first_item, end[s] - first_item)
            whole, here = _weights(theta, shown[place], rank[place], target[i])
            credit = by_slate * (here / whole / known) / p
            if credit == 0.0:
                continue
            for k in range(place.start, place.stop):
                asked[rank[k]] += credit / whole
                if shown[k] == target[i]:
                    due[rank[k]] += credit * theta[rank[k]] / here
        for k in range(len(theta)):
            theta[k] = due[k] / asked[k]
    return inserted
