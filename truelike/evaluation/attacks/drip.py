"""A target a day for twelve days (less on a shorter stream), six hours of jitter, camouflage beside."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.attacks.rounds import evenly, rounds
from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, HOUR, Likes, joined, names

ACCOUNTS, TARGETS, HIDING = 40, 12, 10


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    crew, targets = names("drip", strength.count(ACCOUNTS)), base.any_targets(rng, TARGETS)
    length = min(12 * DAY, base.span * 7 // 10)
    begin = base.begin(rng, length)
    core = rounds(base, rng, crew, targets, evenly(begin, len(targets), length), strength.time(6 * HOUR))
    return joined(core, base.camouflage(rng, crew, strength.hiding(HIDING), begin, begin + length))
