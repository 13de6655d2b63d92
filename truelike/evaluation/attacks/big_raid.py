"""200 bots on one target within half an hour, then on the next, ten targets over five days: the targets are soon
among the most liked of the stream.
"""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.attacks.rounds import evenly, rounds
from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, MINUTE, Likes, names

ACCOUNTS, TARGETS = 200, 10


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    crew, targets = names("big-raid", strength.count(ACCOUNTS)), base.any_targets(rng, TARGETS)
    length = min(5 * DAY, base.span * 7 // 10)
    starts = evenly(base.begin(rng, length), len(targets), length)
    return rounds(base, rng, crew, targets, starts, strength.time(30 * MINUTE))
