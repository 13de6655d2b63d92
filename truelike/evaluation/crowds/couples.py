"""Ten times two people on one sofa, who like the same twelve videos of an evening within 20 s of each other."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import HOUR, SECOND, Likes, joined, names

COUPLES, VIDEOS, LENGTH = 10, 12, 3 * HOUR


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    evenings = []
    for pair in names("couple", 2 * COUPLES).reshape(COUPLES, 2):
        videos = base.liked_targets(rng, np.full(VIDEOS, pair[0]))
        played = base.begin(rng, LENGTH) + np.sort(rng.integers(0, LENGTH, len(videos)))
        times = played[:, None] + rng.integers(0, 20 * SECOND, (len(videos), 2))
        evenings.append(base.of(times.ravel(), np.tile(pair, len(videos)), np.repeat(videos, 2)))
    return base.with_life(rng, joined(*evenings), history)
