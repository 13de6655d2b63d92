"""An interval for a probability that holds at every look, exactly: of counts alone, so that they merge.

Mixture martingale of Bernoulli trials, with Jeffreys' prior (Robbins, "Statistical methods related to the law of the
iterated logarithm", 1970; Ville's inequality): p stands while the likelihood of what was seen under it is more than
alpha of its mean under the prior.
"""

from __future__ import annotations

from math import lgamma, log
from typing import Final

from shared.measures.confidence import LEVEL, Interval

_HALVINGS: Final = 60
_LEAST: Final = 1e-12


def interval(hits: int, trials: int, level: float = LEVEL) -> Interval:
    """Raises ValueError where there are no trials, or more hits than trials."""
    if not 0 <= hits <= trials or trials == 0:
        raise ValueError(f"{hits} hits of {trials} trials")
    misses, middle = trials - hits, hits / trials
    mixed = _log_beta(hits + 0.5, misses + 0.5) - _log_beta(0.5, 0.5)

    def stands(p: float) -> bool:
        return mixed - hits * log(p) - misses * log(1 - p) < -log(1 - level)

    def edge(out: float) -> float:
        """Between the middle, which stands, and `out`."""
        inside = min(max(middle, _LEAST), 1 - _LEAST)
        for _ in range(_HALVINGS):
            between = (inside + out) / 2
            inside, out = (between, out) if stands(between) else (inside, between)
        return out

    low = edge(_LEAST) if hits else 0.0
    return Interval(middle, low, edge(1 - _LEAST) if misses else 1.0)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
