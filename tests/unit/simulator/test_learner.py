"""What the recommender has learnt: what a taste likes, what trends, and what follows on what."""

from __future__ import annotations

import numpy as np

from services.simulator.learner import HALF_LIFE_MS, RETRAINED_MS, TREND_HALF_LIFE_MS, Learner

# Persons 0 and 1 are of taste 0, person 2 of taste 1.
TASTE = np.array([0, 0, 1])


def learner(*likes: tuple[int, int]) -> Learner:
    found = Learner(TASTE, 2, 10)
    actors, targets = np.array(likes, np.int64).reshape(-1, 2).T
    found.train(actors, targets, RETRAINED_MS)
    return found


def score(of: Learner, person: int, thing: int) -> float:
    return float(of.scores(np.array([person]), np.array([[thing]]))[0, 0])


def test_nothing_is_known_before_the_first_like() -> None:
    assert score(learner(), 0, 3) == 0


def test_what_ones_own_taste_likes_scores_more_and_what_others_like_a_little() -> None:
    found = learner((0, 3))
    assert score(found, 1, 3) > score(found, 2, 3) > score(found, 2, 4) == 0


def test_what_followed_on_ones_last_thing_scores_more() -> None:
    found = learner((0, 3), (2, 3), (0, 4))
    # Thing 4 came after 3, which was the last of person 2; and training goes on where it stopped.
    assert score(found, 2, 4) > score(learner((0, 1), (2, 3), (0, 4)), 2, 4)
    found.train(np.array([2]), np.array([5]), RETRAINED_MS)
    assert score(found, 2, 4) < score(learner((0, 3), (2, 3), (0, 4)), 2, 4)


def test_trends_pass_and_tastes_last() -> None:
    found, nothing = learner((0, 3)), np.zeros(0, np.int64)
    own, others = score(found, 1, 3), score(found, 2, 3)
    found.train(nothing, nothing, TREND_HALF_LIFE_MS)
    assert score(found, 2, 3) == others / 2
    assert score(found, 1, 3) > own / 2
    found.train(nothing, nothing, 20 * HALF_LIFE_MS)
    assert score(found, 1, 3) < 1e-5


def test_what_was_published_since_is_unknown() -> None:
    found = learner((0, 1 << 44))
    assert score(found, 0, 1 << 44) == 0
    assert score(found, 1, 0) == 0
