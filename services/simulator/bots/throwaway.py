"""Throwaway accounts: made for it, they like one to three things within hours and are never seen again."""

from __future__ import annotations

import numpy as np

from services.simulator.bots.campaign import Campaign, all_like_all
from services.simulator.likes import Likes
from services.simulator.scene import Scene

TARGETS = 3
LASTS_MS = 4 * 3_600_000


class Throwaway(Campaign):
    def one(self, scene: Scene, kind: int, at_ms: int) -> Likes:
        rng = scene.rng
        size = int(rng.integers(100, 251))
        actors = scene.accounts(kind, size)
        first = rng.integers(0, LASTS_MS, size)
        created = at_ms + first - rng.integers(60_000, 3_600_000, size)
        targets = scene.feeds.obscure(TARGETS)
        delay = first[:, None] + rng.integers(5_000, 120_000, (size, len(targets))).cumsum(axis=1)
        found = all_like_all(scene, kind, actors, created, targets, np.full(len(targets), at_ms), delay)
        # Most have one like or two.
        return found.take(rng.random(len(found)) < 0.5)
