"""40 phones come back on the air: each sends what was liked offline, 200 likes stamped within three seconds."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import HOUR, SECOND, Likes, names

PHONES, LIKES = 40, 200


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    phones = names("phone", PHONES)
    back = base.begin(rng, HOUR) + rng.integers(0, HOUR, PHONES)
    times = (back[:, None] + np.sort(rng.integers(0, 3 * SECOND, (PHONES, LIKES)), axis=1)).ravel()
    who = np.repeat(phones, LIKES)
    sent = base.of(times, who, base.liked_targets(rng, who))
    return base.with_life(rng, sent, history)
