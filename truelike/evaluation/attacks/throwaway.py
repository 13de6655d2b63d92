"""300 accounts with one like each, on three targets, in six hours; made on the same day."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, HOUR, UNKNOWN, Likes, likes, names

ACCOUNTS, TARGETS = 300, 3


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    crew, targets = names("throwaway", strength.count(ACCOUNTS)), base.any_targets(rng, TARGETS)
    length = strength.time(6 * HOUR)
    times = base.begin(rng, length) + rng.integers(0, length, len(crew))
    liked = targets[np.arange(len(crew)) % len(targets)]
    # Only a platform that says when accounts were made says it of these.
    known = bool((base.likes.actor_created_at != UNKNOWN).any())
    created = times - rng.integers(0, DAY, len(crew)) if known else UNKNOWN
    return likes(times, crew, liked, creator=base.creators_of(liked), created_at=created, fake=True)
