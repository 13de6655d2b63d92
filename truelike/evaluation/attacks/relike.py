"""Likes taken back and given again hours later, so that they look new: 15 accounts, eight targets, five times."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.churn import repeated
from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, Likes, names

ACCOUNTS, TARGETS, TIMES = 15, 8, 5


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    length = min(strength.time(2 * DAY), base.span * 7 // 10)
    return repeated(base, rng, names("relike", strength.count(ACCOUNTS)), TARGETS, TIMES, length)
