"""The bootstrap: Poisson numbers, sums that are whole numbers, and intervals that hold over seeds at five looks."""

from __future__ import annotations

import numpy as np
import pytest

from services.charts import bootstrap
from services.charts.bootstrap import BUCKETS, REPLICAS
from shared.hashing import U64, mix

LOOKS = (0.2, 0.4, 0.6, 0.8, 1.0)


def actors(n: int, seed: int = 1) -> U64:
    return mix(np.arange(1, n + 1).astype(np.uint64), np.full(n, seed, np.uint64))


def test_draws_are_poisson_and_replicas_independent() -> None:
    drawn = bootstrap.draws(actors(50_000))
    assert drawn.mean() == pytest.approx(1.0, abs=0.002)
    assert drawn.var() == pytest.approx(1.0078, abs=0.01)
    assert (drawn == 0).mean() == pytest.approx(np.exp(-1), abs=0.005)
    between = np.corrcoef(drawn[:, :20].T) - np.eye(20)
    assert abs(between).max() < 0.02


def test_what_is_added_and_taken_back_in_any_order_is_nothing() -> None:
    rng = np.random.default_rng(2)
    who, n = actors(300), 2_000
    at = rng.integers(0, 300, n)
    rows, amounts = rng.integers(0, 5, (n, 3)), rng.integers(-4, 1 << 24, (n, 3))
    sums, seen = np.zeros((5, 1 + REPLICAS), np.int64), np.zeros((5, BUCKETS), np.int32)
    bootstrap.accumulate(who[at], rows, amounts, np.ones(n, np.int64), sums, seen)
    expected = np.zeros_like(sums)
    drawn = np.concatenate([np.ones((300, 1), np.int64), bootstrap.draws(who)], axis=1)
    for cell in range(3):
        np.add.at(expected, rows[:, cell], amounts[:, cell, None] * drawn[at])
    assert np.array_equal(sums, expected)
    order = rng.permutation(n)
    bootstrap.accumulate(who[at[order]], rows[order], -amounts[order], np.full(n, -1), sums, seen)
    assert not sums.any()
    assert not seen.any()


def test_people_are_never_more_than_there_are() -> None:
    for n in (1, 19, 20, 24, 30, 100):
        found = []
        for seed in range(50):
            sums, seen = np.zeros((1, 1 + REPLICAS), np.int64), np.zeros((1, BUCKETS), np.int32)
            who = np.repeat(actors(n, seed), 3)
            ones = np.ones((3 * n, 1), np.int64)
            bootstrap.accumulate(who, 0 * ones, ones, ones[:, 0], sums, seen)
            found.append(int(bootstrap.people(seen)[0]))
        assert max(found) <= n
        assert np.mean(found) == pytest.approx(BUCKETS * (1 - (1 - 1 / BUCKETS) ** n), rel=0.05)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3])
def test_a_share_holds_at_five_looks(share: float) -> None:
    """Of likes of 400 people, who give differently many and differ in how many of them are such."""
    held = np.ones(300, np.bool_)
    for seed in range(300):
        rng = np.random.default_rng(seed)
        given = rng.poisson(rng.gamma(1.0, 10.0, 400))
        such = rng.binomial(given, rng.beta(share * 4, (1 - share) * 4, 400) if share else 0.0)
        counted = np.concatenate([np.ones((400, 1), np.int64), bootstrap.draws(actors(400, seed + 1))], axis=1)
        for look in LOOKS:
            seen = slice(0, int(400 * look))
            whole, part = (counted[seen].T @ column[seen] for column in (given, such))
            found = bootstrap.of_share(part.astype(np.float64), whole.astype(np.float64), seen.stop)
            held[seed] &= found.low <= share <= found.high
    assert held.mean() >= 0.95


def test_an_interval_reaches_further_where_fewer_replicas_tell_the_error() -> None:
    assert bootstrap.reach(5000, 16) > bootstrap.reach(5000) > bootstrap.reach(5000, 10**9) > 3
    values = np.r_[4.0, np.linspace(3.9, 4.1, REPLICAS)]
    found = bootstrap.of_positive(values, 5000)
    assert found is not None
    assert 0 < found.low < 4.0 < found.high
    assert bootstrap.of_positive(np.r_[values[:-1], 0.0], 5000) is None
