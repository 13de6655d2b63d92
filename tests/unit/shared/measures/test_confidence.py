from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.choice.log import F64
from shared.measures import confidence
from shared.measures.confidence import Interval, multiplier
from shared.measures.units import UnitSums

# Columns of amount and count.
FIRST, SECOND = (0, 1), (2, 3)


def sums_of(*columns: F64) -> UnitSums:
    return UnitSums.of(np.stack(columns, axis=1), len(columns[0]))


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
        sums = sums_of(a, m, b, k)
        found = (
            (confidence.of_ratio_of_means(sums, FIRST), 0.2),
            (confidence.of_difference(sums, FIRST, SECOND), 0.2 * (1 - theta)),
            (confidence.of_ratio(sums, SECOND, FIRST), theta),
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
    assert confidence.of_ratio(sums_of(ones * 0.5, ones, few, ones), FIRST, SECOND) is None


def test_a_ratio_of_what_is_the_same_is_one() -> None:
    rng = np.random.default_rng(5)
    amount, count = rng.random(500), np.ones(500)
    found = confidence.of_ratio(sums_of(amount, count, amount, count), FIRST, SECOND)
    assert found is not None
    assert (found.low, found.value, found.high) == pytest.approx((1.0, 1.0, 1.0))


def unit_by_unit(a: F64, m: F64, b: F64, k: F64) -> tuple[Interval, Interval, Interval | None]:
    """The mean, difference and ratio again, from each unit's own influence."""
    n = len(a)
    first, second = a.sum() / m.sum(), b.sum() / k.sum()
    x, y = (a - first * m) / m.mean(), (b - second * k) / k.mean()
    reach = multiplier(n) / math.sqrt(n)
    mean = Interval(first, first - x.std() * reach, first + x.std() * reach)
    apart, spread = first - second, (x - y).std() * reach
    vaa, vab, vbb = ((p * q).mean() * reach**2 for p, q in ((x, x), (x, y), (y, y)))
    square, half, rest = second**2 - vbb, first * second - vab, first**2 - vaa
    root = math.sqrt(max(half**2 - square * rest, 0.0))
    ratio = Interval(first / second, (half - root) / square, (half + root) / square) if square > 0 else None
    return mean, Interval(apart, apart - spread, apart + spread), ratio


@given(st.integers(100, 2000), st.floats(0.02, 0.98), st.integers(1, 50), st.integers(0, 10**6))
def test_sums_say_what_the_units_say(units: int, rate: float, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    m, k = rng.integers(1, most + 1, (2, units)).astype(float)
    a, b = (rng.binomial(n.astype(int), rate) * rng.uniform(0.5, 1, units) for n in (m, k))
    sums = sums_of(a, m, b, k)
    found = (
        confidence.of_ratio_of_means(sums, FIRST),
        confidence.of_difference(sums, FIRST, SECOND),
        confidence.of_ratio(sums, FIRST, SECOND),
    )
    for one, other in zip(found, unit_by_unit(a, m, b, k), strict=True):
        if one is None or other is None:
            assert one is other
            continue
        # A difference or a bound may be next to nothing: it is as exact as what it is the difference of.
        scale = 1e-9 * (abs(other.value) + other.high - other.low)
        assert (one.value, one.low, one.high) == pytest.approx(
            (other.value, other.low, other.high), rel=1e-9, abs=scale
        )


def test_what_does_not_vary_has_no_spread() -> None:
    count = np.arange(1.0, 301.0)
    found = confidence.of_ratio_of_means(sums_of(count * 0.3, count), FIRST)
    assert (found.low, found.high) == (found.value, found.value)
