"""The forecast of a like by what was put before its actor, learnt as likes come.

A like is one of what was shown within the attribution window with probability rho, else one of the rest: as history
says, or, with a share that is learnt too, as popularity does. History is right of all likes; what it foretells best is
what recommenders show, and of what they leave over it knows less. Which one of what was shown is a conditional logit
(McFadden, "Conditional logit analysis of qualitative choice behavior", 1974; `shown_items`), rho a logit: by how long
ago the latest slate was, by how probable the most probable item is, and by how many slates came since the actor's like
before. Coefficients are learnt like by like by Titterington's recursion ("Recursive parameter estimation using
incomplete data", JRSS B 46, 1984; the information's diagonal): a like of something shown counts as far as it was more
probable by the slate than otherwise. Each like's forecast is from those before it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from services.choice import shown_items
from services.choice.log import ATTRIBUTION_MS, F64, Bools, Likes, Shown
from services.choice.recent_slates import MOST_ITEMS, SLATES, RecentSlates
from services.choice.shown_items import AGES, LIKED, RANKS, WEIGHTS, age_of, doubling, larger, learn, new_room, weigh
from shared.checkpoints import Arrays
from shared.hashing import U64

# What rho and the share of popularity begin as, and for how much what is believed before any like counts, in
# information.
RHO: Final = 0.3
POPULAR: Final = 0.1
PRIOR: Final = 2.0
# Of the logit of rho: one of all likes, then of ages, of the most probable item by doublings, and of slates.
_TOPS: Final = 10
_TOP: Final = 1 + AGES
_NEW: Final = _TOP + _TOPS
_OF_RHO: Final = _NEW + SLATES + 1
_LEARNT: Final = ("weight", "of_weight", "rho", "of_rho", "popular")


class Believed(NamedTuple):
    """Of each like as it stood before it: the probability that it had among what was shown, rho, and how much of the
    rest goes by popularity. All 0 where its actor was shown nothing. Shapes (n,).
    """

    p_slate: F64
    rho: F64
    popular: F64

    def p_shown(self, p_history: F64, p_popular: F64) -> F64:
        rest = (1 - self.popular) * p_history + self.popular * p_popular
        return (1 - self.rho) * rest + self.rho * self.p_slate


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
        # The logit of the share of popularity, and the information on it.
        self._popular = np.array([_logit(POPULAR), PRIOR])

    def forecast(
        self, likes: Likes, p_history: F64, p_popular: F64, shown: Shown, given: Bools | None = None
    ) -> Believed:
        """By like, in the order of the log. `given`: which were given and are learnt; the others are what might have
        been liked instead. By default all.
        """
        found = Believed(*np.zeros((3, len(likes))))
        given = np.ones(len(likes), np.bool_) if given is None else given
        slates = self._slates
        slot_of_like = slates.add(shown, likes.actor)
        slates.inserted = _learn(
            likes.target, likes.time, p_history, p_popular, given, slot_of_like,
            *slates.arrays(), slates.inserted, slates.clock,
            self._weight, self._of_weight, self._rho, self._of_rho, self._popular, found,
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
            setattr(self, f"_{name}", arrays[f"mixture.{name}"].copy())


def _logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


@njit(cache=True)
def _learn(
    target: Any, time: Any, p_history: Any, p_popular: Any, given: Any, slot_of_like: Any,
    slate_time: Any, begin: Any, end: Any, first: int, first_item: int, shown: Any, rank: Any,
    slots: Any, ring: Any, count: Any, liked: Any, inserted: int, clock: int,
    weight: Any, of_weight: Any, rho: Any, of_rho: Any, popular: Any, found: Believed,
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
        items, p, top = weigh(room, i, known, new, shown, rank, factor, target[i])
        of_mine[1] = 1 + room.age[0]
        of_mine[2] = _TOP + min(doubling(top), _TOPS - 1)
        of_mine[3] = _NEW + new
        logit = 0.0
        for c in of_mine:
            logit += rho[c]
        r, by_all = 1.0 / (1.0 + np.exp(-logit)), 1.0 / (1.0 + np.exp(-popular[0]))
        found.p_slate[i], found.rho[i], found.popular[i] = p, r, by_all
        if not given[i]:
            continue
        rest = (1.0 - by_all) * p_history[i] + by_all * p_popular[i]
        by_slate = r * p / (r * p + (1.0 - r) * rest)
        popular[1] += (1.0 - by_slate) * by_all * (1.0 - by_all)
        popular[0] += (1.0 - by_slate) * (by_all * p_popular[i] / rest - by_all) / popular[1]
        for c in of_mine:
            of_rho[c] += r * (1.0 - r)
            rho[c] += (by_slate - r) / of_rho[c]
        if p == 0.0:
            continue
        learn(room, known, items, rank, target[i], by_slate, weight, of_weight, factor)
        for s in range(known):
            for k in range(room.begin[s], room.end[s]):
                if shown[k] == target[i]:
                    rank[k] = LIKED
    return inserted
