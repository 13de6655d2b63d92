"""Rank sets hold at once, and say something."""

from __future__ import annotations

import numpy as np
import pytest

from services.charts.rank_sets import LEVEL, rank_sets, score_intervals

ENTRIES = 40
SEEDS = 400


def drawn(rng: np.random.Generator, expected: np.ndarray, certain: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weights and their squares, summed by entry, of likes that come independently of each other."""
    counts = rng.poisson(expected)
    weights = np.ones(counts.sum()) if certain else rng.beta(4, 1, counts.sum())
    of = np.repeat(np.arange(len(expected)), counts)
    return tuple(np.bincount(of, w, len(expected)) for w in (weights, weights**2))  # type: ignore[return-value]


@pytest.mark.parametrize("certain", [True, False])
@pytest.mark.parametrize("likes", [300, 20_000])
def test_sets_of_all_entries_hold_at_once(likes: int, certain: bool) -> None:
    """The level is of all of them at once, also where most entries have few likes."""
    expected = likes / np.arange(1, ENTRIES + 1) / np.sum(1 / np.arange(1, ENTRIES + 1))
    held, narrow = 0, 0
    for seed in range(SEEDS):
        weight, squares = drawn(np.random.default_rng(seed), expected, certain)
        found = rank_sets(weight, squares, np.arange(ENTRIES))
        truth = np.arange(1, ENTRIES + 1)
        held += bool(np.all((found.low <= truth) & (truth <= found.high)))
        narrow += bool(found.high[0] == 1)
    assert held >= LEVEL * SEEDS
    # With many likes it is known who is first; with few it is not.
    assert (narrow > 0.9 * SEEDS) == (likes > 1_000)


def test_equal_scores_can_have_any_rank_and_distant_ones_only_their_own() -> None:
    same = rank_sets(np.full(5, 30.0), np.full(5, 30.0), np.arange(5))
    assert (same.low.tolist(), same.high.tolist()) == ([1] * 5, [5] * 5)
    far = np.array([1e6, 1e5, 1e4])
    apart = rank_sets(far, far, np.arange(3))
    assert (apart.low.tolist(), apart.high.tolist()) == ([1, 2, 3], [1, 2, 3])


def test_sets_are_those_of_comparing_each_with_each() -> None:
    rng = np.random.default_rng(3)
    weight = rng.gamma(1, 50, 60)
    squares = weight * rng.uniform(0.2, 1, 60)
    low, high = score_intervals(weight, squares, 60)
    found = rank_sets(weight, squares, np.array([7, 3]))
    for k, entry in enumerate((7, 3)):
        assert found.low[k] == 1 + sum(low > high[entry])
        assert found.high[k] == 60 - sum(high < low[entry])


def test_the_interval_is_poissons_where_every_like_weighs_one() -> None:
    """Against Garwood's exact limits for 10 at 95 %: 4.80 to 18.39; of nothing, at most 3.69."""
    counts = np.array([10.0, 0.0])
    low, high = score_intervals(counts, counts, 1)
    assert low[0] == pytest.approx(4.80, abs=0.05)
    assert high[0] == pytest.approx(18.39, abs=0.05)
    assert (low[1], high[1]) == (0, pytest.approx(3.69, abs=0.2))


def test_what_a_sketch_has_dropped_may_be_anywhere_up_to_its_error() -> None:
    weight = np.array([1e5, 400.0, 380.0])
    exact, sketched = (rank_sets(weight, weight, np.arange(3), missed) for missed in (0.0, 390.0))
    assert exact.high[0] == sketched.high[0] == 1
    # Of those that may have been dropped some may come before the second.
    assert exact.high[1] == 3
    assert sketched.high[1] == 0
