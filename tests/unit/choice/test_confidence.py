from __future__ import annotations

import math

import numpy as np
import pytest

from services.choice import confidence
from services.choice.confidence import multiplier


def test_the_sequence_is_wider_than_one_look_and_narrowest_where_it_should_be() -> None:
    assert multiplier(confidence.TIGHTEST_AT) == pytest.approx(3.0, abs=0.1)
    assert multiplier(confidence.TIGHTEST_AT) < multiplier(50) < multiplier(10)
    assert multiplier(10**7) > multiplier(confidence.TIGHTEST_AT)
    assert multiplier(5000, 0.99) > multiplier(5000) > 1.96
    # sqrt(2 (n rho^2 + 1) / (n rho^2) log(sqrt(n rho^2 + 1) / alpha)), by hand.
    grown = 1000 * (-2 * math.log(0.05) + math.log(-2 * math.log(0.05)) + 1) / 5000
    assert multiplier(1000) == pytest.approx(math.sqrt(2 * (grown + 1) / grown * math.log(math.sqrt(grown + 1) / 0.05)))


def looked_at_all_along(seed: int, theta: float) -> tuple[bool, bool, bool]:
    """Whether mean, difference and ratio held at each of 30 looks, of units of different sizes whose own likes hang
    together.
    """
    rng = np.random.default_rng(seed)
    n = 3000
    sizes = rng.integers(1, 12, (2, n)).astype(float)
    ease = rng.beta(0.5, 2, n)
    amounts = rng.binomial(sizes.astype(int), [ease, theta * ease]).astype(float)
    held = [True, True, True]
    for look in np.linspace(confidence.LEAST_UNITS, n, 30).astype(int):
        (a, b), (m, k) = amounts[:, :look], sizes[:, :look]
        found = (
            (confidence.of_ratio_of_means(a, m), 0.2),
            (confidence.of_difference(a, m, b, k), 0.2 * (1 - theta)),
            (confidence.of_ratio(b, k, a, m), theta),
        )
        for which, (interval, truth) in enumerate(found):
            held[which] &= interval is None or interval.low <= truth <= interval.high
            assert interval is not None or which == 2
    assert interval is not None, "in the end the data bound the ratio"
    return held[0], held[1], held[2]


@pytest.mark.parametrize("theta", [0.2, 0.7])
def test_intervals_hold_at_every_look(theta: float) -> None:
    """One look of 1.96 standard errors at each time would fail in about 3 of 10 streams."""
    held = np.array([looked_at_all_along(seed, theta) for seed in range(300)])
    assert held.mean(axis=0).min() >= 0.95


def test_what_cannot_be_bounded_is_none() -> None:
    rng = np.random.default_rng(3)
    ones = np.ones(400)
    few = (rng.random(400) < 0.01).astype(float)
    assert confidence.of_ratio(ones * 0.5, ones, few, ones) is None


def test_a_ratio_of_what_is_the_same_is_one() -> None:
    rng = np.random.default_rng(5)
    amount, count = rng.random(500), np.ones(500)
    found = confidence.of_ratio(amount, count, amount, count)
    assert found is not None
    assert (found.low, found.value, found.high) == pytest.approx((1.0, 1.0, 1.0))
