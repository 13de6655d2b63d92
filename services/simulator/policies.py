"""How ten of the candidates come to stand in a slate, and how likely each was to stand where it does.

The learner shows its ranking as it is, or with two places of it swapped (as in Joachims, Swaminathan, Schnabel,
"Unbiased Learning-to-Rank with Biased Feedback", WSDM 2017), or it explores: any candidates in any order. What is
logged is the probability of the item at its rank over all three, given the candidates and their ranking.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from services.simulator.likes import F64, I64

SIZE: Final = 10
CANDIDATES: Final = 12
POLICIES: Final = ("learner", "uniform")
LEARNER, UNIFORM = range(len(POLICIES))
# Of the learner's slates.
EXPLORED: Final = 0.4
SWAPPED: Final = 0.2
# Less than what a like is worth, however old.
TIE: Final = 1e-6


def _propensities() -> F64:
    """Of the learner, by place in its ranking and rank in the slate. Shape (CANDIDATES, SIZE)."""
    as_ranked, swapped = np.eye(CANDIDATES, SIZE), np.zeros((CANDIDATES, SIZE))
    swapped[:SIZE] = 2 / (SIZE * (SIZE - 1))
    swapped[np.arange(SIZE), np.arange(SIZE)] = 1 - 2 / SIZE
    return EXPLORED / CANDIDATES + SWAPPED * swapped + (1 - EXPLORED - SWAPPED) * as_ranked


PROPENSITIES: Final = _propensities()


def by_chance(rng: np.random.Generator, n: int) -> tuple[I64, F64]:
    """Slates of the uniform policy: candidates by place, and their propensities. Shapes (n, SIZE)."""
    return _any_order(rng, n), np.full((n, SIZE), 1 / CANDIDATES)


def learnt(rng: np.random.Generator, scores: F64) -> tuple[I64, F64]:
    """The learner's, of candidates' scores, shape (n, CANDIDATES); what scores alike is ranked by chance. Shapes
    (n, SIZE).
    """
    n = len(scores)
    place = np.tile(np.arange(SIZE), (n, 1))
    drawn = rng.random(n)
    explored = np.flatnonzero(drawn < EXPLORED)
    swapped = np.flatnonzero((drawn >= EXPLORED) & (drawn < EXPLORED + SWAPPED))
    one = rng.integers(0, SIZE, len(swapped))
    other = (one + rng.integers(1, SIZE, len(swapped))) % SIZE
    place[swapped, one], place[swapped, other] = other, one
    place[explored] = _any_order(rng, len(explored))
    ranking = np.argsort(TIE * rng.random(scores.shape) - scores, axis=1)
    return np.take_along_axis(ranking, place, axis=1), PROPENSITIES[place, np.arange(SIZE)]


def _any_order(rng: np.random.Generator, n: int) -> I64:
    return np.argsort(rng.random((n, CANDIDATES)), axis=1)[:, :SIZE]
