"""What is logged as the probability of an item at its rank is how often it stands there."""

from __future__ import annotations

import numpy as np
import pytest

from services.simulator.policies import CANDIDATES, PROPENSITIES, SIZE, SWAPPED, by_chance, learnt

DRAWS = 60_000
SCORES = np.random.default_rng(0).permutation(CANDIDATES).astype(np.float64)


def test_the_learners_propensities_are_frequencies() -> None:
    order, logged = learnt(np.random.default_rng(1), np.tile(SCORES, (DRAWS, 1)))
    place = np.argsort(np.argsort(-SCORES))
    for rank in range(SIZE):
        found = np.bincount(order[:, rank], minlength=CANDIDATES) / DRAWS
        due = PROPENSITIES[place, rank]
        assert np.abs(found - due).max() < 5 * np.sqrt(due.max() / DRAWS)
        for candidate in range(CANDIDATES):
            of_it = logged[order[:, rank] == candidate, rank]
            assert of_it == pytest.approx(np.full(len(of_it), due[candidate]))


def test_each_rank_has_one_candidate_and_none_is_there_twice() -> None:
    assert PROPENSITIES.sum(axis=0) == pytest.approx(np.ones(SIZE))
    assert (PROPENSITIES.sum(axis=1) <= 1 + 1e-12).all()
    for order, _ in (
        learnt(np.random.default_rng(2), np.tile(SCORES, (500, 1))),
        by_chance(np.random.default_rng(2), 500),
    ):
        assert (np.diff(np.sort(order, axis=1), axis=1) > 0).all()


def test_swaps_are_of_two_places() -> None:
    order, _ = learnt(np.random.default_rng(3), np.tile(SCORES, (DRAWS, 1)))
    off = (order != np.argsort(-SCORES)[:SIZE]).sum(axis=1)
    assert (off == 2).mean() == pytest.approx(SWAPPED, abs=0.01)


def test_what_scores_alike_is_ranked_by_chance() -> None:
    order, _ = learnt(np.random.default_rng(4), np.zeros((DRAWS, CANDIDATES)))
    assert np.bincount(order[:, 0], minlength=CANDIDATES) / DRAWS == pytest.approx(
        np.full(CANDIDATES, 1 / CANDIDATES), abs=0.01
    )


def test_by_chance_all_are_as_likely_everywhere() -> None:
    order, logged = by_chance(np.random.default_rng(5), DRAWS)
    assert (logged == 1 / CANDIDATES).all()
    for rank in range(SIZE):
        found = np.bincount(order[:, rank], minlength=CANDIDATES) / DRAWS
        assert found == pytest.approx(np.full(CANDIDATES, 1 / CANDIDATES), abs=0.01)
