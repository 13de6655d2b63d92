"""People look at their feed a few times a day and give a handful of likes each time, some seconds to minutes apart."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.simulator.likes import F64, I64, Bools, Likes, likes
from services.simulator.people import MEAN_RHYTHM
from services.simulator.scene import Scene
from services.simulator.settings import DAY_MS

MEAN_LIKES: Final = 6.0
MOST_LIKES: Final = 40
# Likes that people would give for one that they do: some of what they meet they have liked already.
LIKED_ALREADY: Final = 1.06
# Of log seconds between two likes: people's gaps have a heavy tail (Barabási, "The origin of bursts and heavy tails in
# human dynamics", Nature 435, 2005).
GAP_SECONDS: Final = 20.0
GAP_SPREAD: Final = 1.1


class Sittings:
    share = 0.87

    def plan(self, scene: Scene, kind: int, start_ms: int, stop_ms: int, owed: float) -> Likes:
        """What is owed does not wake people up. But who meets much that is liked already looks a little longer."""
        rng, people = scene.rng, scene.people
        daily = people.count * scene.settings.likes_a_day * self.share
        busier = (LIKED_ALREADY + np.clip(owed / daily, -0.5, 1.0)) / people.joined(start_ms)
        count = rng.poisson(busier * daily / MEAN_LIKES / MEAN_RHYTHM * (stop_ms - start_ms) / DAY_MS)
        who = people.busy(rng, count)
        begins = np.sort(rng.integers(start_ms, stop_ms, count))
        there = rng.random(count) < people.awake(who, begins)
        who, begins = who[there], begins[there]
        sizes = np.minimum(rng.geometric(1 / MEAN_LIKES, len(who)), MOST_LIKES)
        actors = np.repeat(who, sizes)
        first = np.zeros(len(actors), np.bool_)
        first[np.cumsum(sizes) - sizes] = True
        times = np.repeat(begins, sizes) + since_first(rng, first, people.tempo[actors])
        targets, surfaces = scene.feeds.sitting(actors, first, times)
        return likes(times, actors, targets, scene.feeds.creators[targets], people.created_ms[actors], kind, surfaces)


def since_first(rng: np.random.Generator, first: Bools, tempo: F64) -> I64:
    """Ms from the first like of each sitting to each of its likes."""
    gaps = 800 + 1000 * GAP_SECONDS * tempo * rng.lognormal(0.0, GAP_SPREAD, len(first))
    passed = np.cumsum(np.where(first, 0.0, gaps))
    begun = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))
    return (passed - passed[begun]).astype(np.int64)
