"""A crew of six: 12 targets, within a minute each, in half an hour."""

from __future__ import annotations

import numpy as np

from services.evaluation.attacks.lockstep import lockstep
from services.evaluation.attacks.overlay import Strength
from services.evaluation.background import Background
from services.evaluation.columns import Likes, names

ACCOUNTS = 6


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    return lockstep(base, rng, strength, names("small-crew", strength.count(ACCOUNTS, least=3)))
