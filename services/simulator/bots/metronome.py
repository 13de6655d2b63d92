"""Metronomes: accounts that like something at nearly even intervals, for hours, day and night."""

from __future__ import annotations

import numpy as np

from services.simulator.bots.campaign import Campaign, bought
from services.simulator.feeds import RECOMMENDED
from services.simulator.likes import Likes, likes
from services.simulator.scene import Scene

LIKES = 120


class Metronome(Campaign):
    def one(self, scene: Scene, kind: int, at_ms: int) -> Likes:
        rng = scene.rng
        size = int(rng.integers(2, 6))
        actors, created = bought(scene, kind, size, at_ms)
        beat = 1000 * rng.uniform(30, 150, (size, 1))
        gaps = beat * rng.uniform(0.95, 1.05, (size, LIKES))
        times = at_ms + gaps.cumsum(axis=1).astype(np.int64).ravel()
        targets = scene.feeds.usual(len(times))
        return likes(
            times,
            np.repeat(actors, LIKES),
            targets,
            scene.feeds.creators[targets],
            np.repeat(created, LIKES),
            kind,
            RECOMMENDED,
        )
