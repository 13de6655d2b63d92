"""Phones that were off the air: what was liked on the way comes at once, stamped with the moment of the sync."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from services.simulator.likes import NONE, Likes, likes
from services.simulator.scene import Scene, happenings

LIKES: Final = (10, 60)
SYNC_MS: Final = 3_000


class Offline:
    share = 0.01

    def plan(self, scene: Scene, kind: int, start_ms: int, stop_ms: int, owed: float) -> Likes:
        return happenings(partial(self._sync, scene, kind), scene, start_ms, stop_ms, owed)

    @staticmethod
    def _sync(scene: Scene, kind: int, at_ms: int) -> Likes:
        rng, people = scene.rng, scene.people
        person = people.busy(rng, 1)
        if rng.random() >= people.awake(person, np.array([at_ms]))[0]:
            return NONE
        n = int(rng.integers(*LIKES))
        who = np.repeat(person, n)
        times = at_ms + np.sort(rng.integers(0, SYNC_MS, n))
        targets, surfaces = scene.feeds.sitting(who, np.arange(n) == 0, times)
        return likes(times, who, targets, scene.feeds.creators[targets], people.created_ms[who], kind, surfaces)
