"""One crew, the same 12 targets, each like up to 40 minutes after its target's start."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.attacks.rounds import evenly, rounds
from truelike.evaluation.background import Background
from truelike.evaluation.columns import HOUR, MINUTE, Likes, names

ACCOUNTS, TARGETS = 40, 12


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    crew, targets = names("jitter", strength.count(ACCOUNTS)), base.any_targets(rng, TARGETS)
    length = strength.time(2 * HOUR)
    starts = evenly(base.begin(rng, length), len(targets), length)
    return rounds(base, rng, crew, targets, starts, strength.time(40 * MINUTE))
