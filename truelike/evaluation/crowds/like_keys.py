"""30 people with a like key or a switch scanner: 40 likes in four minutes, in one sitting."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import MINUTE, Likes, names

PEOPLE, LIKES, LENGTH = 30, 40, 4 * MINUTE


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    people = names("keys", PEOPLE)
    starts = np.array([base.begin(rng, LENGTH) for _ in people])
    times = starts[:, None] + np.sort(rng.integers(0, LENGTH, (PEOPLE, LIKES)), axis=1)
    who = np.repeat(people, LIKES)
    return base.with_life(rng, base.of(times.ravel(), who, base.liked_targets(rng, who)), history)
