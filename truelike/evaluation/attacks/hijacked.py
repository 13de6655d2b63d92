"""40 accounts of people are taken over for an hour and like 12 targets together; their owners' likes stay true."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.attacks.rounds import evenly, rounds
from truelike.evaluation.background import Background
from truelike.evaluation.columns import HOUR, MINUTE, Likes

ACCOUNTS, TARGETS, OWN_LIKES = 40, 12, 5


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    crew = base.people[base.regulars(rng, strength.count(ACCOUNTS), OWN_LIKES)]
    targets, length = base.any_targets(rng, TARGETS), strength.time(HOUR)
    starts = evenly(base.begin(rng, length), len(targets), length)
    return rounds(base, rng, crew, targets, starts, strength.time(MINUTE))
