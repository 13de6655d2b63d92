"""A crew of 100, of whom other 30 like each of 20 targets: few pairs meet more than a few times."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.attacks.rounds import evenly, rounds
from truelike.evaluation.background import Background
from truelike.evaluation.columns import HOUR, MINUTE, Likes, names

ACCOUNTS, TARGETS, SHARE = 100, 20, 0.3


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    crew, targets = names("rotating", strength.count(ACCOUNTS)), base.any_targets(rng, TARGETS)
    length = strength.time(10 * HOUR)
    starts = evenly(base.begin(rng, length), len(targets), length)
    return rounds(base, rng, crew, targets, starts, strength.time(20 * MINUTE), SHARE)
