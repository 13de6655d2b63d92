"""400 people come to one thing within an hour, the most of them soon after it is shared."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import HOUR, MINUTE, Likes, names

PEOPLE = 400


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    crowd, target = names("flash", PEOPLE), base.any_targets(rng, 1)
    times = base.begin(rng, HOUR) + np.minimum(rng.exponential(15 * MINUTE, PEOPLE), HOUR).astype(np.int64)
    return base.with_life(rng, base.of(times, crowd, np.repeat(target, PEOPLE)), history)
