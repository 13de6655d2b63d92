"""What a policy would have brought, from another one's log: inverse propensity, from sums that merge.

Source: Horvitz and Thompson (1952); self-normalised: Swaminathan and Joachims, "The Self-Normalized Estimator for
Counterfactual Learning" (NIPS 2015).
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

import numpy as np
import numpy.typing as npt

from shared.measures.confidence import Interval, multiplier

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OffPolicySums:
    """Of rewards r and weights w (the policy's probability over the logging one's), added up."""

    n: float = 0.0
    w: float = 0.0
    w2: float = 0.0
    wr: float = 0.0
    w2r: float = 0.0
    w2r2: float = 0.0

    @classmethod
    def of(cls, weight: F64, reward: F64) -> OffPolicySums:
        """Shapes (n,)."""
        w2 = weight * weight
        return cls(
            float(len(weight)),
            float(weight.sum()),
            float(w2.sum()),
            float(weight @ reward),
            float(w2 @ reward),
            float(w2 @ (reward * reward)),
        )

    def __add__(self, other: OffPolicySums) -> OffPolicySums:
        return OffPolicySums(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def effective(self) -> float:
        """The effective sample (Kish)."""
        return self.w * self.w / self.w2 if self.w2 else 0.0

    def self_normalised(self) -> Interval:
        """The mean reward; at least one weight is not 0."""
        value = self.wr / self.w
        variance = (self.w2r2 - 2 * value * self.w2r + value * value * self.w2) / (self.w * self.w)
        spread = math.sqrt(max(variance, 0.0)) * multiplier(int(self.n))
        return Interval(value, value - spread, value + spread)
