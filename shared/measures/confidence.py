"""Intervals that hold at every look: asymptotic confidence sequences, for means and for ratios of ratios.

Source: Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences" (2021; Annals of Statistics 2024). For ratios the test of each value is inverted (Fieller 1954): a value is
kept where zero is within the sequence of the mean that it would make zero, so that the coverage is the sequence's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from shared.measures.units import Ratio, UnitSums

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


def too_few(sums: UnitSums) -> str | None:
    """Why nothing can be said of these people; None where they are enough."""
    people = "1 person" if sums.units == 1 else f"{sums.units} people"
    return None if sums.units >= LEAST_UNITS else f"{people}; it takes {LEAST_UNITS}"


def of_ratio_of_means(sums: UnitSums, ratio: Ratio) -> Interval:
    """What depends on each other is one unit."""
    value, pull = sums.ratio(ratio), sums.pull(ratio)
    spread = math.sqrt(sums.squares(pull)) * multiplier(sums.units)
    return Interval(value, value - spread, value + spread)


def of_difference(sums: UnitSums, ratio: Ratio, other: Ratio) -> Interval:
    """A ratio less another one of the same units."""
    value, pull = sums.ratio(ratio) - sums.ratio(other), sums.pull(ratio) - sums.pull(other)
    spread = math.sqrt(sums.squares(pull)) * multiplier(sums.units)
    return Interval(value, value - spread, value + spread)


def of_ratio(sums: UnitSums, ratio: Ratio, other: Ratio) -> Interval | None:
    """A ratio over another one of the same units; None where the other may be 0: nothing bounds it then."""
    first, second = sums.ratio(ratio), sums.ratio(other)
    own, others = sums.pull(ratio), sums.pull(other)
    k = multiplier(sums.units) ** 2
    vaa, vab, vbb = (sums.product(x, y) for x, y in ((own, own), (own, others), (others, others)))
    # (first - r second)^2 <= k var(own - r others), a quadratic in r.
    a, b, c = second * second - k * vbb, first * second - k * vab, first * first - k * vaa
    if a <= 0:
        return None
    # The estimate itself is always kept, so that less than 0 is rounding.
    root = math.sqrt(max(b * b - a * c, 0.0))
    return Interval(first / second, (b - root) / a, (b + root) / a)
