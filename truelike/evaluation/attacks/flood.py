"""A few accounts give hundreds of likes within an hour each, of anything."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.background import Background
from truelike.evaluation.columns import HOUR, Ids, Likes, joined, names

ACCOUNTS, LIKES = 10, 300


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    return flood(base, rng, strength, names("flood", strength.count(ACCOUNTS)), base.targets)


def flood(base: Background, rng: np.random.Generator, strength: Strength, crew: Ids, among: Ids) -> Likes:
    """Each account begins at a moment of its own."""
    length, each = strength.time(HOUR), min(LIKES, len(among))
    parts = []
    for actor in crew:
        times = base.begin(rng, length) + rng.integers(0, length, each)
        parts.append(base.of(times, np.full(each, actor), rng.choice(among, each, replace=False), fake=True))
    return joined(*parts)
