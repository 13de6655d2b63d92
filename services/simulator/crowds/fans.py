"""Creators with fans: a new work, a notice on the phone, and fans like it within minutes or hours."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from services.simulator.feeds import ORGANIC
from services.simulator.likes import Likes, likes
from services.simulator.scene import Scene, happenings

# Of fans at the height of their day those who like a work, and how many do at most, about: of a star's fans few.
LIKE_IT: Final = 0.5
ABOUT_MOST: Final = 250
DELAY_MINUTES: Final = 25.0
DELAY_SPREAD: Final = 1.4


class Fans:
    share = 0.06

    def plan(self, scene: Scene, kind: int, start_ms: int, stop_ms: int, owed: float) -> Likes:
        return happenings(partial(self._post, scene, kind), scene, start_ms, stop_ms, owed)

    def _post(self, scene: Scene, kind: int, at_ms: int) -> Likes:
        rng, people = scene.rng, scene.people
        # All creators post about as often: a star's fans are more, not more often told.
        number = people.known(rng, of=1)
        fans = people.fans_of(number)
        times = at_ms + (60_000 * DELAY_MINUTES * rng.lognormal(0.0, DELAY_SPREAD, len(fans))).astype(np.int64)
        chance = min(LIKE_IT, ABOUT_MOST / max(1, len(fans)))
        likes_it = rng.random(len(fans)) < chance * people.awake(fans, times)
        who, times = fans[likes_it], times[likes_it]
        work, creator = scene.publish(1)[0], people.creators[number]
        n = len(who)
        return likes(times, who, np.full(n, work), np.full(n, creator), people.created_ms[who], kind, ORGANIC)
