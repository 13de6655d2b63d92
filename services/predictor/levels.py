"""How liked things are, compiled: levels, a doubling of weight each, and what the things of a level weigh together.

A level ends at a power of two, so that which one a thing is at does not depend on the others, and a like moves one
thing at most: what is at each level is kept as weights change, and nothing is counted again while a stream grows.
Read from the total down, levels are doublings of a thing's share.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

# Things of weights 2 ** (power - 1 + LOWEST) to 2 ** (power + LOWEST) are at one power; at the first and the last one
# also what is beyond.
POWERS: Final = 64
LOWEST: Final = -24
# From the level of all that there is down. At the last one also what is below, and what weighs nothing.
LEVELS: Final = 16
LAST: Final = LEVELS - 1
# By power: what its things weigh together, and how many they are.
WEIGHT, THINGS = range(2)


def new_levels() -> npt.NDArray[np.float64]:
    """Of nothing that weighs anything, shape (2, POWERS)."""
    return np.zeros((2, POWERS))


@njit(cache=True)
def _power(weight: float) -> int:
    # The exponent's bits of a float: `math.frexp` is a call.
    exponent = int(np.float64(weight).view(np.int64) >> 52) - 1022
    return min(max(exponent - LOWEST, 0), POWERS - 1)


@njit(cache=True)
def level_of(weight: float, total: float) -> int:
    """The level of a thing of this weight."""
    if weight <= 0.0:
        return LAST
    return min(max(_power(total) - _power(weight), 0), LAST)


@njit(cache=True)
def move(levels: Any, before: float, after: float) -> None:
    """A thing's weight changes; 0: it is none of the things."""
    if before > 0.0:
        power = _power(before)
        levels[THINGS, power] -= 1.0
        # Nothing is left of things that are gone, not even by rounding.
        levels[WEIGHT, power] = levels[WEIGHT, power] - before if levels[THINGS, power] > 0.0 else 0.0
    if after > 0.0:
        power = _power(after)
        levels[THINGS, power] += 1.0
        levels[WEIGHT, power] += after


@njit(cache=True)
def recount(levels: Any, weights: Any) -> None:
    """Count all things anew, from their weights, shape (things,)."""
    levels[:] = 0.0
    for weight in weights:
        move(levels, 0.0, weight)


@njit(cache=True)
def by_level(levels: Any, total: float, shares: Any, things: Any) -> None:
    """Fill in the share of `total` of the things of each level but the LAST, and how many they are; shapes (LAST,)."""
    top, per_weight = _power(total), 1.0 / max(total, 1e-300)
    for level in range(min(top + 1, LAST)):
        shares[level] = levels[WEIGHT, top - level] * per_weight
        things[level] = levels[THINGS, top - level]
