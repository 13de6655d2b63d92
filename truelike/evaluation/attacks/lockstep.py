"""40 accounts like the same 12 targets, within a minute each, in half an hour."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.attacks.rounds import evenly, rounds
from truelike.evaluation.background import Background
from truelike.evaluation.columns import MINUTE, Ids, Likes, names

ACCOUNTS, TARGETS = 40, 12
LENGTH, JITTER = 30 * MINUTE, MINUTE


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    return lockstep(base, rng, strength, names("lockstep", strength.count(ACCOUNTS)))


def lockstep(base: Background, rng: np.random.Generator, strength: Strength, crew: Ids) -> Likes:
    targets, length = base.any_targets(rng, TARGETS), strength.time(LENGTH)
    starts = evenly(base.begin(rng, length), len(targets), length)
    return rounds(base, rng, crew, targets, starts, strength.time(JITTER))
