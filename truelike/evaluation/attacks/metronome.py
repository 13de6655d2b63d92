"""20 accounts that like something every 90 s, 5 % more or less, by day and by night."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.background import Background
from truelike.evaluation.columns import SECOND, Likes, names

ACCOUNTS, LIKES = 20, 60
GAP, DEVIATION = 90 * SECOND, 0.05


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    crew = names("metronome", strength.count(ACCOUNTS))
    deviation = DEVIATION * strength.spread
    gaps = (GAP * (1 + rng.uniform(-deviation, deviation, (len(crew), LIKES)))).astype(np.int64)
    length = LIKES * GAP
    begins = np.array([base.begin(rng, length) for _ in crew])
    times = begins[:, None] + np.cumsum(gaps, axis=1)
    who = np.repeat(crew, LIKES)
    return base.of(times.ravel(), who, base.liked_targets(rng, who), fake=True)
