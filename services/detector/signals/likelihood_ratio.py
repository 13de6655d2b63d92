"""Log-likelihood ratios of a count against what chance gives: one-sided, 0 where no more was seen than expected.

Source: Dunning, "Accurate methods for the statistics of surprise and coincidence" (Computational Linguistics 1993).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, vectorize


@njit(cache=True)
def binomial(k: Any, n: Any, p: Any) -> float:
    """LLR (nats) of `k` of `n` where each has probability `p`, 0 < p < 1."""
    if k <= n * p:
        return 0.0
    rest = n - k
    of_rest = rest * math.log(rest / (n * (1.0 - p))) if rest > 0 else 0.0
    return k * math.log(k / (n * p)) + of_rest


@njit(cache=True)
def poisson(k: Any, expected: Any) -> float:
    """LLR (nats) of `k` where `expected` > 0 were to be expected."""
    if k <= expected:
        return 0.0
    return k * math.log(k / expected) - k + expected


@vectorize(["float64(float64, float64, float64)"], cache=True)
def binomials(k: Any, n: Any, p: Any) -> Any:
    """`binomial` for arrays."""
    return np.float64(binomial(k, n, p))


@vectorize(["float64(float64, float64)"], cache=True)
def poissons(k: Any, expected: Any) -> Any:
    """`poisson` for arrays."""
    return np.float64(poisson(k, expected))
