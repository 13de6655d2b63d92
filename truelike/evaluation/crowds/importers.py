"""40 members bring 80 old likes each from elsewhere, all stamped with the second of the import."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import HOUR, SECOND, Likes, names

MEMBERS, LIKES = 40, 80


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    members = names("importer", MEMBERS)
    stamps = (base.begin(rng, 6 * HOUR) + rng.integers(0, 6 * HOUR, MEMBERS)) // SECOND * SECOND
    who = np.repeat(members, LIKES)
    return base.with_life(rng, base.of(np.repeat(stamps, LIKES), who, base.liked_targets(rng, who)), history)
