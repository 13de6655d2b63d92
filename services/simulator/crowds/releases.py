"""Releases: an album that fans play through in its order, and a premiere that a crowd likes in the same minutes."""

from __future__ import annotations

from functools import partial
from typing import Final

import numpy as np

from services.simulator.feeds import AUTOPLAY, RECOMMENDED
from services.simulator.likes import I64, Likes, likes
from services.simulator.scene import Scene, happenings

TRACKS: Final = (8, 14)
TRACK_SECONDS: Final = 190.0
LIKE_A_TRACK: Final = 0.35
DELAY_HOURS: Final = 3.0
PREMIERE_MINUTES: Final = 10.0
# A release is the best known creator's of so many.
KNOWN: Final = 3
# Who comes, about, at most.
ABOUT_MOST: Final = 150


class Releases:
    share = 0.03

    def plan(self, scene: Scene, kind: int, start_ms: int, stop_ms: int, owed: float) -> Likes:
        return happenings(partial(self._release, scene, kind), scene, start_ms, stop_ms, owed)

    def _release(self, scene: Scene, kind: int, at_ms: int) -> Likes:
        rng = scene.rng
        number = scene.people.known(rng, of=KNOWN)
        fans = scene.people.fans_of(number)
        fans = fans[rng.random(len(fans)) < ABOUT_MOST / max(1, len(fans))]
        creator = int(scene.people.creators[number])
        if rng.random() < 0.5:
            return self._album(scene, kind, at_ms, fans, creator)
        return self._premiere(scene, kind, at_ms, fans, creator)

    @staticmethod
    def _album(scene: Scene, kind: int, at_ms: int, fans: I64, creator: int) -> Likes:
        rng, people = scene.rng, scene.people
        begins = at_ms + (3_600_000 * DELAY_HOURS * rng.lognormal(0.0, 1.0, len(fans))).astype(np.int64)
        there = rng.random(len(fans)) < people.awake(fans, begins)
        fans, begins = fans[there], begins[there]
        tracks = scene.publish(int(rng.integers(*TRACKS)))
        # Nobody hears it a second late: each track begins when the one before it has ended, and is liked during it.
        played = np.arange(len(tracks)) + rng.random((len(fans), len(tracks)))
        times = begins[:, None] + (1000 * TRACK_SECONDS * played).astype(np.int64)
        fan, track = np.nonzero(rng.random(times.shape) < LIKE_A_TRACK)
        who = fans[fan]
        return likes(
            times[fan, track],
            who,
            tracks[track],
            np.full(len(who), creator),
            people.created_ms[who],
            kind,
            AUTOPLAY,
        )

    @staticmethod
    def _premiere(scene: Scene, kind: int, at_ms: int, fans: I64, creator: int) -> Likes:
        rng, people = scene.rng, scene.people
        there = rng.random(len(fans)) < people.awake(fans, np.full(len(fans), at_ms))
        who = fans[there]
        n = len(who)
        times = at_ms + (60_000 * PREMIERE_MINUTES * rng.random(n)).astype(np.int64)
        work = np.full(n, scene.publish(1)[0])
        return likes(times, who, work, np.full(n, creator), people.created_ms[who], kind, RECOMMENDED)
