"""The world's likes, and the slates before them, as they come in event time."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.simulator.likes import I64, NONE, Likes, joined
from services.simulator.slates import EARLIER_MS, SIZE, Recommender, Slates
from services.simulator.world import World

# Likes planned at a time: their slates come before them, so that likes are known before they are due.
AHEAD: Final = 2_000
_NONE: Final[I64] = np.zeros(0, np.int64)
_NO_THINGS: Final[I64] = np.zeros((0, SIZE), np.int64)
NO_SLATES: Final = Slates(_NONE, _NONE, _NO_THINGS, _NO_THINGS, _NO_THINGS.astype(np.bool_))


class Stream:
    """Of a world with a recommender, or (`slates` False) of the world alone."""

    def __init__(self, world: World, slates: bool) -> None:
        self._world = world
        self._recommender = Recommender(world) if slates else None
        self._likes, self._slates = NONE, NO_SLATES

    def take(self, most: int, before_ms: int) -> tuple[Likes, Slates]:
        """The next likes in order of event time, at most so many and none of `before_ms` or later; and the slates of up
        to the last of them, or of before `before_ms` where there are no more likes before.
        """
        if self._recommender is None:
            return self._world.take(most, before_ms), NO_SLATES
        if most <= 0:
            return NONE, NO_SLATES
        while True:
            stop = min(int(np.searchsorted(self._likes.times_ms, before_ms)), most)
            reached = int(self._likes.times_ms[stop - 1]) if stop == most else before_ms - 1
            # No like that is still to come has a slate of before this.
            if len(self._likes) > stop and self._likes.times_ms[-1] - EARLIER_MS[1] >= reached:
                break
            self._plan(self._recommender)
        likes, self._likes = self._likes.take(slice(0, stop)), self._likes.take(slice(stop, None))
        shown = int(np.searchsorted(self._slates.times_ms, reached, "right"))
        slates, self._slates = self._slates.take(slice(0, shown)), self._slates.take(slice(shown, None))
        return likes, slates

    def _plan(self, recommender: Recommender) -> None:
        likes, slates = recommender.show(self._world.take(AHEAD))
        self._likes = joined([self._likes, likes])
        everything = self._slates + slates
        self._slates = everything.take(np.argsort(everything.times_ms, kind="stable"))
