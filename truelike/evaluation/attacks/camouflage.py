"""Lockstep with likes of one's own beside, as people give them, for a day before and after."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.lockstep import ACCOUNTS, lockstep
from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, Likes, joined, names

HIDING = 20


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    crew = names("camouflage", strength.count(ACCOUNTS))
    core = lockstep(base, rng, strength, crew)
    first, last = int(core.occurred_at.min()) - DAY, int(core.occurred_at.max()) + DAY
    return joined(core, base.camouflage(rng, crew, strength.hiding(HIDING), first, last))
