"""A crew of six: 12 targets, within a minute each, in half an hour."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.lockstep import lockstep
from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.background import Background
from truelike.evaluation.columns import Likes, names

ACCOUNTS = 6


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    return lockstep(base, rng, strength, names("small-crew", strength.count(ACCOUNTS, least=3)))
