"""Lockstep in which each account takes a share of the targets only: no two have quite the same."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.attacks.rounds import evenly, rounds
from truelike.evaluation.background import Background
from truelike.evaluation.columns import MINUTE, Likes, names

ACCOUNTS, TARGETS, SHARE = 40, 20, 0.6


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    crew, targets = names("partial", strength.count(ACCOUNTS)), base.any_targets(rng, TARGETS)
    length = strength.time(50 * MINUTE)
    starts = evenly(base.begin(rng, length), len(targets), length)
    return rounds(base, rng, crew, targets, starts, strength.time(MINUTE), SHARE)
