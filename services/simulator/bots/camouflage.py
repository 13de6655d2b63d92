"""Camouflage: a group in lockstep, whose accounts like popular things too (FRAUDAR: Hooi et al., KDD 2016)."""

from __future__ import annotations

import numpy as np

from services.simulator.bots.campaign import Campaign, all_like_all, bought
from services.simulator.feeds import RECOMMENDED
from services.simulator.likes import Likes, joined, likes
from services.simulator.scene import Scene

TARGETS = 10
LASTS_MS = 3 * 3_600_000


class Camouflage(Campaign):
    def one(self, scene: Scene, kind: int, at_ms: int) -> Likes:
        rng = scene.rng
        size = int(rng.integers(12, 31))
        actors, created = bought(scene, kind, size, at_ms)
        targets = scene.feeds.obscure(TARGETS)
        begins = at_ms + np.sort(rng.integers(0, LASTS_MS, len(targets)))
        pushed = all_like_all(
            scene, kind, actors, created, targets, begins, rng.integers(0, 5 * 60_000, (size, len(targets)))
        )
        usual = scene.feeds.usual(size * TARGETS)
        times = at_ms + rng.integers(0, LASTS_MS, len(usual))
        cover = likes(
            times,
            np.repeat(actors, TARGETS),
            usual,
            scene.feeds.creators[usual],
            np.repeat(created, TARGETS),
            kind,
            RECOMMENDED,
        )
        return joined([pushed, cover])
