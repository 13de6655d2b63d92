"""Floods of what everybody likes: the likes hide among the most."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.flood import ACCOUNTS, LIKES, flood
from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.background import Background
from truelike.evaluation.columns import Likes, names


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    crew = names("popular-flood", strength.count(ACCOUNTS))
    return flood(base, rng, strength, crew, base.targets[: LIKES * 2])
