"""Circles of friends: one shares a link, and those who are awake like it within minutes."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.simulator.feeds import ORGANIC
from services.simulator.likes import NONE, Likes, likes, ragged
from services.simulator.scene import Scene

# Of a circle, asleep or awake.
MEAN_LIKES: Final = 1.0
# Of friends at the height of their day, those who like a link.
LIKE_IT: Final = 0.7
DELAY_MINUTES: Final = 4.0
DELAY_SPREAD: Final = 1.3


class Friends:
    share = 0.03

    def plan(self, scene: Scene, kind: int, start_ms: int, stop_ms: int, owed: float) -> Likes:
        rng, people = scene.rng, scene.people
        circles = len(people.circle_at) - 1
        if owed <= 0 or circles < 1:
            return NONE
        at = rng.integers(0, circles, int(np.ceil(owed / MEAN_LIKES)))
        starts = people.circle_at[at]
        sizes = people.circle_at[at + 1] - starts
        who = people.members[ragged(starts, sizes)]
        sharer = people.members[starts + (rng.random(len(at)) * sizes).astype(np.int64)]
        shared = rng.integers(start_ms, stop_ms, len(at))
        # Who sleeps shares nothing; and what friends share is to the taste of one of them.
        wakes = rng.random(len(at)) < people.awake(sharer, shared)
        links = scene.feeds.items_of[people.taste[sharer], rng.integers(0, scene.feeds.width, len(at))]
        times = np.repeat(shared, sizes) + (60_000 * DELAY_MINUTES * rng.lognormal(0.0, DELAY_SPREAD, len(who))).astype(
            np.int64
        )
        likes_it = rng.random(len(who)) < LIKE_IT * people.awake(who, times)
        which = np.flatnonzero(likes_it & np.repeat(wakes, sizes))
        targets = np.repeat(links, sizes)[which]
        who = who[which]
        return likes(times[which], who, targets, scene.feeds.creators[targets], people.created_ms[who], kind, ORGANIC)
