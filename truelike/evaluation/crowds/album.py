"""150 people play a new album of twelve tracks in order, on the day it is out, and like seven of ten as they go."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import HOUR, SECOND, Likes, likes, names

PEOPLE, TRACKS, LENGTH = 150, 12, 18 * HOUR
SHARE = 0.7


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    length = min(LENGTH, base.span * 7 // 10)
    begin = base.begin(rng, length)
    starts = base.moments(rng, PEOPLE, begin, begin + length)
    tracks = np.cumsum(rng.integers(150 * SECOND, 300 * SECOND, TRACKS))
    who, track = np.nonzero(rng.random((PEOPLE, TRACKS)) < SHARE)
    # Some time into the track, which each plays at the same speed.
    times = starts[who] + tracks[track] - rng.integers(0, 140 * SECOND, len(who))
    played = likes(times, names("listener", PEOPLE)[who], names("album-track", TRACKS)[track], creator="album-artist")
    return base.with_life(rng, played, history)
