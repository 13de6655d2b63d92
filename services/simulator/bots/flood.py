"""Flood: one account likes hundreds of things within minutes."""

from __future__ import annotations

import numpy as np

from services.simulator.bots.campaign import Campaign, bought
from services.simulator.feeds import SEARCH
from services.simulator.likes import Likes, likes
from services.simulator.scene import Scene


class Flood(Campaign):
    def one(self, scene: Scene, kind: int, at_ms: int) -> Likes:
        rng = scene.rng
        n = int(rng.integers(200, 500))
        actors, created = bought(scene, kind, 1, at_ms)
        times = at_ms + rng.integers(0, int(rng.integers(5, 40)) * 60_000, n)
        targets = scene.feeds.obscure(n)
        n = len(targets)
        return likes(
            times[:n], np.repeat(actors, n), targets, scene.feeds.creators[targets], int(created[0]), kind, SEARCH
        )
