"""Hijacked: accounts of real people, taken over for an hour; their own likes go on before, meanwhile and after.

Whose password has leaked may be taken over again: of all people few.
"""

from __future__ import annotations

import numpy as np

from services.simulator.bots.campaign import Campaign, all_like_all
from services.simulator.likes import Likes
from services.simulator.scene import Scene

TARGETS = 12
LASTS_MS = 3_600_000
WITHIN_MS = 3 * 60_000


class Hijacked(Campaign):
    def one(self, scene: Scene, kind: int, at_ms: int) -> Likes:
        rng, people = scene.rng, scene.people
        leaked = people.leaked[people.created_ms[people.leaked] < at_ms]
        size = min(int(rng.integers(15, 41)), len(leaked))
        actors = rng.choice(leaked, size, replace=False)
        targets = scene.feeds.obscure(TARGETS)
        begins = at_ms + LASTS_MS // TARGETS * np.arange(len(targets))
        delay = rng.integers(0, WITHIN_MS, (size, len(targets)))
        return all_like_all(scene, kind, actors, people.created_ms[actors], targets, begins, delay)
