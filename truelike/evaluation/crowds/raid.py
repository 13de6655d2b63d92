"""A streamer sends 200 viewers to another one: they like the same thing within five minutes, many of them newcomers."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import MINUTE, Likes, names

PEOPLE = 200


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    crowd, target = names("raid", PEOPLE), base.any_targets(rng, 1)
    times = base.begin(rng, 5 * MINUTE) + rng.integers(0, 5 * MINUTE, PEOPLE)
    return base.with_life(rng, base.of(times, crowd, np.repeat(target, PEOPLE)), history)
