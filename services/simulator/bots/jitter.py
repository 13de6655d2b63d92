"""Jitter: a group likes the same things, each account at a moment of its own within 40 minutes."""

from __future__ import annotations

import numpy as np

from services.simulator.bots.campaign import Campaign, all_like_all, bought
from services.simulator.likes import Likes
from services.simulator.scene import Scene

TARGETS = 12
JITTER_MS = 40 * 60_000


class Jitter(Campaign):
    def one(self, scene: Scene, kind: int, at_ms: int) -> Likes:
        rng = scene.rng
        size = int(rng.integers(15, 41))
        actors, created = bought(scene, kind, size, at_ms)
        targets = scene.feeds.obscure(TARGETS)
        begins = at_ms + JITTER_MS // 2 * np.arange(len(targets))
        return all_like_all(
            scene, kind, actors, created, targets, begins, rng.integers(0, JITTER_MS, (size, len(targets)))
        )
