"""What is liked now, compiled: each item's trusted likes, decayed by event time over several half-lives.

Forward decay (Cormode et al., ICDE 2009): a like is stored with the weight 2 ** ((time - origin) / half-life), so
that nothing needs to be aged. Between likes all rates shrink alike; the order of items changes only when one is
liked, and so the top of it is kept as likes come.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from services.predictor.levels import move, new_levels, recount

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
HALF_LIVES_MS: Final = np.array([HOUR_MS, DAY_MS, 30 * DAY_MS], np.int64)
MONTH: Final = len(HALF_LIVES_MS) - 1
# More than a ranking shows, so that a few of them may be a user's own or taken back.
TRENDING: Final = 40
# The clock may be moved by one like at most this far: one with a wild date must not age all others away.
LONGEST_STEP_MS: Final = DAY_MS
# Stored weights stay below 2 ** this.
MOST_DOUBLINGS: Final = 400

UNSET: Final = -1
CLOCK: Final = 0
ORIGIN: Final = 1


class Rates(NamedTuple):
    """`value`: (half-lives, items), relative to the origin; `total`: its sums; `top`: (half-lives, TRENDING) items,
    the first `filled` in use, in no order; `time`: the clock (latest event time) and the origin, ms; `stale`:
    whether something was taken back since `top` was found; `levels`: of the values over a MONTH.
    """

    value: Any
    total: Any
    top: Any
    filled: Any
    time: Any
    stale: Any
    levels: Any


def new_rates(items: int) -> Rates:
    """Rates of no likes, with room for so many items."""
    count = len(HALF_LIVES_MS)
    return Rates(
        np.zeros((count, items)),
        np.zeros(count),
        np.zeros((count, TRENDING), np.int64),
        np.zeros(count, np.int64),
        np.full(2, UNSET, np.int64),
        np.zeros(1, np.bool_),
        new_levels(),
    )


@njit(cache=True)
def decay(rates: Rates, half_life: int) -> float:
    """What a stored weight is to be multiplied by to be a rate as of the clock."""
    return 2.0 ** (-(rates.time[CLOCK] - rates.time[ORIGIN]) / HALF_LIVES_MS[half_life])


@njit(cache=True)
def advance(rates: Rates, when: int) -> None:
    """Move the clock on to the time of a like; it never goes back."""
    time = rates.time
    if time[CLOCK] == UNSET:
        time[CLOCK] = time[ORIGIN] = when
    time[CLOCK] = max(time[CLOCK], min(when, time[CLOCK] + LONGEST_STEP_MS))
    if time[CLOCK] - time[ORIGIN] > MOST_DOUBLINGS * HALF_LIVES_MS[0]:
        for h in range(len(HALF_LIVES_MS)):
            factor = decay(rates, h)
            rates.value[h] *= factor
            rates.total[h] *= factor
        time[ORIGIN] = time[CLOCK]
        recount(rates.levels, rates.value[MONTH])


@njit(cache=True)
def add_rate(rates: Rates, item: int, when: int, trust: float) -> None:
    """Count a like; negative trust takes back what it counted."""
    age = min(when, rates.time[CLOCK]) - rates.time[ORIGIN]
    for h in range(len(HALF_LIVES_MS)):
        amount = trust * 2.0 ** (age / HALF_LIVES_MS[h])
        before = rates.value[h, item]
        now = rates.value[h, item] = max(0.0, before + amount)
        # By as much as the value has changed: more may be taken back of it than there is, after a wild date.
        rates.total[h] = max(0.0, rates.total[h] + (now - before))
        if trust > 0.0:
            _enter_top(rates.value[h], rates.top[h], rates.filled, h, item)
        if h == MONTH:
            move(rates.levels, before, now)
    if trust < 0.0:
        rates.stale[0] = True


@njit(cache=True)
def _enter_top(value: Any, top: Any, filled: Any, h: int, item: int) -> None:
    least = 0
    for k in range(filled[h]):
        if top[k] == item:
            return
        # Among equals the one first seen stays.
        if value[top[k]] < value[top[least]] or (value[top[k]] == value[top[least]] and top[k] > top[least]):
            least = k
    if filled[h] < TRENDING:
        top[filled[h]] = item
        filled[h] += 1
    elif value[item] > value[top[least]]:
        top[least] = item


def copy_of_top(rates: Rates) -> Rates:
    """The same rates, with a top of their own."""
    return rates._replace(top=rates.top.copy(), filled=rates.filled.copy(), stale=rates.stale.copy())


@njit(cache=True)
def find_top(rates: Rates, items: int) -> None:
    """Find the top anew, after something was taken back."""
    for h in range(len(HALF_LIVES_MS)):
        rates.filled[h] = 0
        for item in range(items):
            if rates.value[h, item] > 0.0:
                _enter_top(rates.value[h], rates.top[h], rates.filled, h, item)
    rates.stale[0] = False
