"""300 people wait for a premiere and like it, most within two minutes; a third of them like its making-of after it."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import MINUTE, Likes, joined, likes, names

PEOPLE, STAYING, LENGTH = 300, 100, 40 * MINUTE


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    crowd, begin = names("premiere", PEOPLE), base.begin(rng, 2 * LENGTH)
    first = begin + rng.exponential(MINUTE, PEOPLE).astype(np.int64)
    second = begin + LENGTH + rng.exponential(3 * MINUTE, STAYING).astype(np.int64)
    both = joined(
        likes(first, crowd, "premiere-film", creator="premiere-studio"),
        likes(second, rng.permutation(crowd)[:STAYING], "premiere-making-of", creator="premiere-studio"),
    )
    return base.with_life(rng, both, history)
