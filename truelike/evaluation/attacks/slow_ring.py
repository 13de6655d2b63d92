"""12 creators who like each other's works one at a time over weeks (less on a shorter stream)."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.creators_ring import ring
from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, Likes, joined, names

CREATORS, WORKS, HIDING = 12, 3, 8


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    crew = names("slow-ring", strength.count(CREATORS, least=4))
    length = min(strength.time(21 * DAY), base.span * 7 // 10)
    core = ring(base, rng, crew, 0, WORKS, 1, length)
    first, last = int(core.occurred_at.min()), int(core.occurred_at.max())
    return joined(core, base.camouflage(rng, crew, strength.hiding(HIDING), first, last))
