"""The interval of a probability: it holds at every look, not only at the end."""

from __future__ import annotations

import numpy as np
import pytest

from services.charts.bernoulli import interval


@pytest.mark.parametrize("p", [0.0, 0.01, 0.2, 1.0])
def test_it_holds_after_every_trial(p: float) -> None:
    rng = np.random.default_rng(1)
    at = {n: [interval(hits, n) for hits in range(n + 1)] for n in range(1, 61)}
    hits = (rng.random((2_000, 60)) < p).cumsum(axis=1)
    held = np.ones(2_000, np.bool_)
    for n, of in at.items():
        stands = np.array([found.low <= p <= found.high for found in of])
        held &= stands[hits[:, n - 1]]
    assert held.mean() >= 0.95
    # As Ville's inequality has it; not by being everything.
    assert all(of[n // 2].high < 1 and of[n // 2].low > 0 for n, of in at.items() if n > 10)


def test_edges_and_levels() -> None:
    assert interval(0, 50).low == 0
    assert 0.05 < interval(0, 50).high < 0.15
    assert interval(50, 50).high == 1
    narrow, wide = interval(5, 50), interval(5, 50, 0.99)
    assert wide.low < narrow.low < 0.1 < narrow.high < wide.high
    for hits, trials in ((1, 0), (3, 2), (0, 0)):
        with pytest.raises(ValueError, match=f"{hits} hits of {trials} trials"):
            interval(hits, trials)
