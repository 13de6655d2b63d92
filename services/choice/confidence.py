"""Intervals that hold at every look: asymptotic confidence sequences, for means and for ratios of ratios.

Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences" (2021; Annals of Statistics 2024). For ratios the test of each value is inverted (Fieller 1954): a value is
kept where zero is within the sequence of the mean that it would make zero, so that the coverage is the sequence's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

LEVEL: Final = 0.95
# Below this the sequence promises nothing.
LEAST_UNITS: Final = 100
# Of how many units the sequence is narrowest; beyond and before it is a little wider than it could be.
TIGHTEST_AT: Final = 5_000


@dataclass(frozen=True)
class Interval:
    """An estimate and where its truth is, at every look together with probability LEVEL."""

    value: float
    low: float
    high: float


def multiplier(units: int, level: float = LEVEL) -> float:
    """How many standard errors of a mean of `units` the sequence reaches to either side (1.96 for a single look)."""
    alpha = 1 - level
    rho2 = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / TIGHTEST_AT
    grown = units * rho2 + 1
    return math.sqrt(grown / (units * rho2) * 2 * math.log(math.sqrt(grown) / alpha))


def of_ratio_of_means(amount: F64, count: F64) -> Interval:
    """sum(amount) / sum(count), each of shape (units,): what depends on each other is one unit."""
    units = len(amount)
    value = amount.sum() / count.sum()
    spread = np.sqrt(_scaled(amount - value * count, count).var() / units) * multiplier(units)
    return Interval(float(value), float(value - spread), float(value + spread))


def of_difference(amount: F64, count: F64, other_amount: F64, other_count: F64) -> Interval:
    """sum(amount) / sum(count) less the same of the others. Shapes (units,), row by row the same unit."""
    first, second, own, others = _influences(amount, count, other_amount, other_count)
    spread = np.sqrt((own - others).var() / len(amount)) * multiplier(len(amount))
    return Interval(float(first - second), float(first - second - spread), float(first - second + spread))


def of_ratio(amount: F64, count: F64, other_amount: F64, other_count: F64) -> Interval | None:
    """sum(amount) / sum(count) over the same of the others; None where the others' may be 0: nothing bounds it then."""
    first, second, own, others = _influences(amount, count, other_amount, other_count)
    k = multiplier(len(amount)) ** 2 / len(amount)
    vaa, vab, vbb = (float((x * y).mean()) for x, y in ((own, own), (own, others), (others, others)))
    # (first - r second)^2 <= k var(own - r others), a quadratic in r.
    a, b, c = second * second - k * vbb, first * second - k * vab, first * first - k * vaa
    inside = b * b - a * c
    if a <= 0 or inside < 0:
        return None
    return Interval(first / second, (b - math.sqrt(inside)) / a, (b + math.sqrt(inside)) / a)


def _influences(amount: F64, count: F64, other_amount: F64, other_count: F64) -> tuple[float, float, F64, F64]:
    first, second = float(amount.sum() / count.sum()), float(other_amount.sum() / other_count.sum())
    return (
        first,
        second,
        _scaled(amount - first * count, count),
        _scaled(other_amount - second * other_count, other_count),
    )


def _scaled(residual: F64, count: F64) -> F64:
    """What each unit pulls the ratio by, times the units: their mean is zero."""
    return residual / count.mean()
