"""Ring: creators who like each other's work in turns."""

from __future__ import annotations

import numpy as np

from services.simulator.bots.campaign import Campaign, bought
from services.simulator.feeds import ORGANIC
from services.simulator.likes import Likes, likes
from services.simulator.scene import Scene

WORKS = 2
EVERY_MS = 15 * 60_000
WITHIN_MS = 45 * 60_000


class Ring(Campaign):
    def one(self, scene: Scene, kind: int, at_ms: int) -> Likes:
        """Each work of each member is liked by all the others."""
        rng = scene.rng
        size = int(rng.integers(8, 17))
        actors, created = bought(scene, kind, size, at_ms)
        works = scene.publish(size * WORKS)
        liker, work = np.nonzero(np.arange(size)[:, None] != np.arange(len(works))[None, :] % size)
        times = at_ms + EVERY_MS * work + rng.integers(0, WITHIN_MS, len(work))
        return likes(times, actors[liker], works[work], actors[work % size], created[liker], kind, ORGANIC)
