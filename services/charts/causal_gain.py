"""The loop's causal gain: what one more unit of exposure to a retrained model does to what it is retrained on next.

g = Cov(Z, y) / Cov(Z, x): Z the arm that chance gave, x what the arm's model brought, y what came of it. The interval
is Anderson and Rubin's ("Estimation of the parameters of a single equation ...", Annals of Mathematical Statistics
1949): all g for which y - g x has nothing to do with Z. It holds however weak the arms are, and then may be unbounded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from shared.measures import confidence
from shared.measures.figure import Figure, not_identified
from shared.measures.units import F64, UnitSums

NAME: Final = "loop"
ABOUT: Final = {"of": "causal gain"}


@dataclass(frozen=True)
class GainSet:
    """The values of g that stand. `inside`: those between low and high; `outside`: those up to low and from high on;
    `all`: every one.
    """

    value: float
    kind: Literal["inside", "outside", "all"]
    low: float
    high: float

    def holds(self, g: float) -> bool:
        if self.kind == "all":
            return True
        return self.low <= g <= self.high if self.kind == "inside" else g <= self.low or g >= self.high


def gain_set(arm: F64, x: F64, y: F64) -> GainSet:
    """Of units that chance put into arms, shapes (n,); holds at every look. Raises ValueError where they are none, of
    one arm or not finite.
    """
    if not (len(arm) == len(x) == len(y)) or not all(np.isfinite(column).all() for column in (arm, x, y)):
        raise ValueError("arm, x and y must be of one length and finite")
    z = arm - arm.mean() if len(arm) else arm
    if not z.any():
        raise ValueError("all units are in one arm: give both")
    zx, zy = z * (x - x.mean()), z * (y - y.mean())
    sums = UnitSums.of(np.stack([zx, zy], axis=1), len(z))
    n = len(z)
    mean, k = sums.totals / n, confidence.multiplier(n) ** 2
    spread = (sums.products / n - np.outer(mean, mean)) / n
    # (mean_y - g mean_x)^2 <= k var(y - g x), a quadratic in g.
    a = mean[0] ** 2 - k * spread[0, 0]
    b = mean[0] * mean[1] - k * spread[0, 1]
    c = mean[1] ** 2 - k * spread[1, 1]
    value = float(mean[1] / mean[0]) if mean[0] else math.nan
    inside = b * b - a * c
    # With a > 0 the estimate itself stands, so that less than 0 is rounding; with a = 0 there is half a line at most.
    if a > 0:
        root = math.sqrt(max(inside, 0.0))
        return GainSet(value, "inside", float(b - root) / float(a), float(b + root) / float(a))
    if a == 0 or inside <= 0:
        return GainSet(value, "all", -math.inf, math.inf)
    root = math.sqrt(inside)
    return GainSet(value, "outside", float(b + root) / float(a), float(b - root) / float(a))


def figure(arm: F64, x: F64, y: F64) -> Figure:
    """As published, of arms that were retrained apart."""
    n = len(arm)
    if n < confidence.LEAST_UNITS:
        return not_identified(NAME, ABOUT, n, f"{n} units; it takes {confidence.LEAST_UNITS}")
    found = gain_set(arm, x, y)
    if found.kind == "all":
        return not_identified(
            NAME, ABOUT, n, "the arms differ too little in what their models brought: any gain stands"
        )
    if found.kind == "outside":
        why = f"the arms differ too little: every gain up to {found.low:.2f} and from {found.high:.2f} on stands"
        return not_identified(NAME, ABOUT, n, why)
    sentence = (
        f"Of each unit that a retrained model brings, {found.value:.2f} ({found.low:.2f} to {found.high:.2f}) come "
        "back into what it is retrained on next."
    )
    return Figure(NAME, ABOUT, n, sentence, found.value, found.low, found.high)
