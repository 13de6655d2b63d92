"""Lockstep: a group likes the same things, all within a minute each (CopyCatch: Beutel et al., WWW 2013)."""

from __future__ import annotations

import numpy as np

from services.simulator.bots.campaign import Campaign, all_like_all, bought
from services.simulator.likes import Likes
from services.simulator.scene import Scene

TARGETS = 12


class Lockstep(Campaign):
    def one(self, scene: Scene, kind: int, at_ms: int) -> Likes:
        rng = scene.rng
        size = int(rng.integers(15, 41))
        actors, created = bought(scene, kind, size, at_ms)
        targets = scene.feeds.obscure(TARGETS)
        begins = at_ms + 150_000 * np.arange(len(targets))
        return all_like_all(
            scene, kind, actors, created, targets, begins, rng.integers(0, 60_000, (size, len(targets)))
        )
