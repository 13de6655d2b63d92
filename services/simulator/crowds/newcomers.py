"""Newcomers: whoever joins picks some of the same starters, from top to bottom of a screen, seconds apart."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.simulator.feeds import RECOMMENDED
from services.simulator.likes import Likes, likes
from services.simulator.scene import Scene

PICKED: Final = 12
PICK_SECONDS: Final = 2.0


class Newcomers:
    # Everyone joins once, whatever is owed.
    share = 0.0

    def plan(self, scene: Scene, kind: int, start_ms: int, stop_ms: int, owed: float) -> Likes:
        rng, people, starters = scene.rng, scene.people, scene.feeds.starters
        who = np.flatnonzero((people.created_ms >= start_ms) & (people.created_ms < stop_ms))
        picks = rng.random((len(who), len(starters))) < PICKED / len(starters)
        gaps = np.where(picks, 1000 * PICK_SECONDS * rng.lognormal(0.0, 0.6, picks.shape), 0.0)
        person, place = np.nonzero(picks)
        actors = who[person]
        times = people.created_ms[actors] + 5_000 + np.cumsum(gaps, axis=1)[person, place].astype(np.int64)
        targets = starters[place]
        return likes(
            times, actors, targets, scene.feeds.creators[targets], people.created_ms[actors], kind, RECOMMENDED
        )
