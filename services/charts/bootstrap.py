"""Streaming Poisson bootstrap over actors, in whole numbers: what is added can be taken back to the last bit.

Each actor counts Poisson(1) times in each of 200 replicas, as the hash of actor and replica says: so an actor's likes
hang together, and partitions, frames and their order change nothing. Source: Chamandy, Muralidharan, Najmi and Naidu,
"Estimating uncertainty for massive data streams" (Google, 2012).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from shared.hashing import U64
from shared.measures import confidence
from shared.measures.confidence import LEAST_UNITS, Interval
from shared.measures.figure import LEAST_PEOPLE
from shared.measures.units import F64

I64 = npt.NDArray[np.int64]

REPLICAS: Final = 200
# Weights and scores are whole multiples of 2^-24.
ONE: Final = 1 << 24
# People of a cell are told apart by so many buckets (`seen`).
BUCKETS: Final = 64
TOO_FEW: Final = f"fewer than {LEAST_PEOPLE} actors, whom it could tell of"
_BYTES: Final = 8
_WORDS: Final = REPLICAS // _BYTES
# Poisson(1) of a byte: of 256 values so many are 0, 1, 2 ...: mean 1 exactly, variance 1.008.
_OF_BYTE: Final = np.repeat(np.arange(6), (95, 93, 47, 16, 4, 1)).astype(np.int64)


@njit(inline="always", cache=True)
def _scrambled(z: Any) -> Any:
    """The finalizer of SplitMix64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(inline="always", cache=True)
def _draw(actor: Any, of_byte: Any, drawn: Any) -> None:
    for word in range(_WORDS):
        bits = _scrambled(actor + np.uint64(word + 1) * np.uint64(0x9E3779B97F4A7C15))
        for byte in range(_BYTES):
            drawn[word * _BYTES + byte] = of_byte[(bits >> np.uint64(8 * byte)) & np.uint64(255)]


@njit(cache=True)
def _draws(actors: Any, of_byte: Any, out: Any) -> None:
    for i in range(len(actors)):
        _draw(actors[i], of_byte, out[i])


@njit(cache=True)
def _accumulate(actors: Any, rows: Any, amounts: Any, signs: Any, sums: Any, seen: Any, of_byte: Any) -> None:
    drawn = np.zeros(REPLICAS, np.int64)
    last = np.uint64(0)
    for i in range(len(actors)):
        actor = actors[i]
        if i == 0 or actor != last:
            _draw(actor, of_byte, drawn)
            last = actor
        bucket = _scrambled(actor) >> np.uint64(58)
        for cell in range(rows.shape[1]):
            amount = amounts[i, cell]
            if amount == 0:
                continue
            total = sums[rows[i, cell]]
            total[0] += amount
            for r in range(REPLICAS):
                total[1 + r] += amount * drawn[r]
            seen[rows[i, cell], bucket] += signs[i]


def draws(actors: U64) -> I64:
    """How often each actor counts in each replica, shape (n, REPLICAS)."""
    out = np.empty((len(actors), REPLICAS), np.int64)
    _draws(actors, _OF_BYTE, out)
    return out


def accumulate(actors: U64, rows: I64, amounts: I64, signs: I64, sums: I64, seen: npt.NDArray[np.int32]) -> None:
    """Add amounts to rows of sums, in place; an amount of 0 adds nothing and makes nobody seen.

    `rows`, `amounts`: (n, cells); `signs`: 1 to add, -1 to take back; `sums`: (rows, 1 + REPLICAS), the sum itself
    first; `seen`: (rows, BUCKETS), by bucket of the actor's hash how often.
    """
    _accumulate(actors, rows, amounts, signs, sums, seen, _OF_BYTE)


def people(seen: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """At least so many actors are in each cell, by `seen` of shape (cells, BUCKETS): the buckets that are not empty.
    Two actors may share one, so that it is never more than there are; 20 are seen from about 24 on.
    """
    return np.count_nonzero(seen > 0, axis=-1).astype(np.int64)


def reach(units: int, replicas: int = REPLICAS) -> float:
    """How many standard errors an interval that holds at every look reaches to either side, where the error itself is
    known from so many replicas: Student's t at the same tail (expansion of Cornish and Fisher 1937).
    """
    k = confidence.multiplier(max(units, 1))
    return k + (k**3 + k) / (4 * (replicas - 1))


def too_few(units: int) -> str | None:
    """Why nothing can be said of so many actors; None where they are enough."""
    if units < LEAST_PEOPLE:
        return TOO_FEW
    return f"{units} actors; it takes {LEAST_UNITS}" if units < LEAST_UNITS else None


def of_replicas(values: F64, units: int, value: float | None = None) -> Interval:
    """`values`: the estimate itself, then that of each replica, all finite; `value`: instead of the estimate, one with
    its bias taken off.
    """
    middle = float(values[0]) if value is None else value
    spread = float(values[1:].std(ddof=1)) * reach(units)
    return Interval(middle, middle - spread, middle + spread)


def of_share(part: F64, whole: F64, units: int) -> Interval:
    """A share of a whole, each with its replicas, shape (1 + REPLICAS,). Where all people are alike no replica differs
    and an interval would claim to know: so two people more count, who gave as much as others in the mean, one of them
    all of it to the part, one nothing (as Agresti and Coull 1998).
    """
    usual = float(whole[0]) / max(units, 1)
    filled = (part + usual) / (whole + 2 * usual)
    middle = float(filled[0])
    added = (usual / (whole[0] + 2 * usual)) ** 2 * ((1 - middle) ** 2 + middle**2)
    spread = math.sqrt(float(filled[1:].var(ddof=1)) + added) * reach(units)
    value = float(part[0] / whole[0])
    return Interval(value, max(min(middle - spread, value), 0.0), min(max(middle + spread, value), 1.0))


def of_positive(values: F64, units: int) -> Interval | None:
    """Of what is above 0, by its logarithm; None where a replica is 0 or nothing: nothing bounds it then."""
    if not (np.isfinite(values).all() and (values > 0).all()):
        return None
    found = of_replicas(np.log(values), units)
    return Interval(float(values[0]), math.exp(found.low), math.exp(found.high))
