"""How probable each of what an actor was shown lately is, given that a like is of these: by a conditional logit.

An item's weight is the sum, over the places where it stood, of what rank and age (doublings of seconds since it was
shown) are worth, times what it is worth to have been shown so many times since the actor's like before. What the actor
liked since stands at a rank of its own. The probability that follows is weighed once more, by its doubling, beside all
that was not shown, so that what is stated comes as often (as histogram binning does, Zadrozny and Elkan, "Obtaining
calibrated probability estimates", ICML 2001); this is learnt from the latest likes, since what people like of a slate
changes with what else they know.

The predictor's probability of what was shown is not known here. These are coefficients of a forecast, and no effects.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from services.choice.recent_slates import SLATES

RANKS: Final = 200
# The rank of what its actor liked since.
LIKED: Final = RANKS
AGES: Final = 18
_DOUBLINGS: Final = 20
# Of coefficients: those of ranks come first, then of ages, of how many times, and of what is stated.
_AGE: Final = RANKS + 1
_TIMES: Final = _AGE + AGES
_STATED: Final = _TIMES + SLATES + 1
WEIGHTS: Final = _STATED + _DOUBLINGS
# For how much it counts that all are worth the same before any like, in information.
PRIOR: Final = 1.0
# How much information on what is stated is remembered: as much as some thousand likes hold.
REMEMBERED: Final = 50.0


class Room(NamedTuple):
    """By slate, the latest first: from where to where its places are, its age. By place: its item, what it is worth. By
    item: which, the coefficient of how many times it was shown, the sum over its places, what it weighs by these among
    all, the coefficient of its doubling, and the probability that is stated. By coefficient, zero after use: what was
    expected and what came. `slot`: where to find items by their hash, and of which like.
    """

    begin: Any
    end: Any
    age: Any
    item: Any
    worth: Any
    target: Any
    times: Any
    sum: Any
    before: Any
    stated: Any
    p: Any
    expected: Any
    came: Any
    slot: Any


@njit(cache=True)
def new_room(places: int) -> Room:
    size = 1
    while size < 2 * places:
        size *= 2
    return Room(
        np.empty(SLATES, np.int64), np.empty(SLATES, np.int64), np.empty(SLATES, np.int64),
        np.empty(places, np.int64), np.empty(places), np.empty(places, np.uint64), np.empty(places, np.int64),
        np.empty(places), np.empty(places), np.empty(places, np.int64), np.empty(places),
        np.zeros(WEIGHTS), np.zeros(WEIGHTS), np.zeros(size, np.int64),
    )  # fmt: skip


@njit(cache=True)
def larger(room: Room, places: int) -> Room:
    """For so many places, with the same slates."""
    made = new_room(2 * places)
    made.begin[:], made.end[:], made.age[:] = room.begin, room.end, room.age
    return made


@njit(cache=True)
def doubling(p: float) -> int:
    """[1/2, 1] is 0, [1/4, 1/2) is 1."""
    return max(-math.frexp(p)[1], 0)


@njit(cache=True)
def age_of(ms: int) -> int:
    """Less than a second is 0, [1, 2) s is 1, [2, 4) s is 2."""
    return min(max(math.frexp(ms / 1000.0)[1], 0), AGES - 1)


@njit(cache=True)
def _gather(room: Room, number: int, slates: int, new: int, shown: Any, rank: Any, factor: Any) -> int:
    """Find the items and what they are worth before what is stated is. Returns how many they are."""
    item, worth, targets, times, sums, slot = room.item, room.worth, room.target, room.times, room.sum, room.slot
    mask, mark = np.uint64(len(slot) - 1), (number + 1) << 32
    place, items = 0, 0
    for s in range(slates):
        of_age, once = factor[_AGE + room.age[s]], 1 if s < new else 0
        for k in range(room.begin[s], room.end[s]):
            at = shown[k] & mask
            while slot[at] >= mark and targets[slot[at] - mark] != shown[k]:
                at = (at + np.uint64(1)) & mask
            if slot[at] < mark:
                slot[at] = mark + items
                targets[items], times[items], sums[items] = shown[k], _TIMES, 0.0
                items += 1
            j = slot[at] - mark
            times[j] += once
            item[place], worth[place] = j, factor[rank[k]] * of_age
            sums[j] += worth[place]
            place += 1
    return items


@njit(cache=True)
def weigh(
    room: Room, number: int, slates: int, new: int, shown: Any, rank: Any, factor: Any
) -> tuple[int, float]:  # fmt: skip
    """Find what each item weighs among all, of a like of this `number` (greater than those before) after so many
    `slates`, of which some are `new`, since the actor's like before. Returns how many items there are, and the greatest
    weight. `factor`: what each coefficient makes of a weight.
    """
    items = _gather(room, number, slates, new, shown, rank, factor)
    times, before = room.times, room.before
    whole, top = 0.0, 0.0
    for j in range(items):
        times[j] = min(times[j], _TIMES + SLATES)
        before[j] = room.sum[j] * factor[times[j]]
        whole += before[j]
        top = max(top, before[j])
    part = 1.0 / whole
    for j in range(items):
        before[j] *= part
    return items, top * part


@njit(cache=True)
def state(room: Room, items: int, rho: float, factor: Any, target: Any) -> tuple[float, float]:
    """After `weigh`, where the like is of these items with probability `rho`: the probability of each, weighed once
    more beside all that was not shown. Returns those of the target and of what was not shown.
    """
    p, stated, targets = room.p, room.stated, room.target
    for j in range(items):
        p[j] = rho * room.before[j]
    bits, whole, here = p.view(np.int64), 1.0 - rho, 0.0
    for j in range(items):
        # Doublings by the number's exponent, as `doubling`.
        stated[j] = _STATED + min(max(1022 - (bits[j] >> 52), 0), _DOUBLINGS - 1)
        p[j] *= factor[stated[j]]
        whole += p[j]
    part = 1.0 / whole
    for j in range(items):
        p[j] *= part
        if targets[j] == target:
            here = p[j]
    return here, (1.0 - rho) * part


@njit(cache=True)
def learn_stated(
    room: Room, items: int, target: Any, by_slate: float, weight: Any, information: Any, factor: Any
) -> None:
    """A like after `state`, whatever it was of; `by_slate`: as far as it was by what was shown."""
    expected, came, stated, p = room.expected, room.came, room.stated, room.p
    for j in range(items):
        expected[stated[j]] += p[j]
        if room.target[j] == target:
            came[stated[j]] = by_slate
    for c in range(_STATED, WEIGHTS):
        if expected[c] > 0.0:
            known = information[c] + max(expected[c] * (1.0 - expected[c]), 0.0)
            information[c] = min(known, REMEMBERED)
            _step(c, came[c] - expected[c], weight, information, factor)
            expected[c] = came[c] = 0.0


@njit(cache=True)
def learn(
    room: Room, slates: int, items: int, rank: Any, target: Any, by_slate: float,
    weight: Any, information: Any, factor: Any,
) -> None:  # fmt: skip
    """A like of the target after `weigh`, as far as it was `by_slate`."""
    expected, came, before = room.expected, room.came, room.before
    hit, place = 0, 0
    for j in range(items):
        expected[room.times[j]] += before[j]
        if room.target[j] == target:
            hit = j
    came[room.times[hit]] = 1.0
    for s in range(slates):
        age, of_slate = _AGE + room.age[s], 0.0
        for k in range(room.begin[s], room.end[s]):
            j = room.item[place]
            share = room.worth[place] / room.sum[j]
            expected[rank[k]] += share * before[j]
            of_slate += share * before[j]
            if j == hit:
                came[rank[k]] += share
                came[age] += share
            place += 1
        expected[age] += of_slate
    for c in range(_STATED):
        if expected[c] > 0.0:
            information[c] += by_slate * max(expected[c] * (1.0 - expected[c]), 0.0)
            _step(c, by_slate * (came[c] - expected[c]), weight, information, factor)
            expected[c] = came[c] = 0.0


@njit(cache=True)
def _step(c: int, due: float, weight: Any, information: Any, factor: Any) -> None:
    weight[c] += due / information[c]
    factor[c] = math.exp(weight[c])
