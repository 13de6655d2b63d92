"""The world's likes, the slates before them and the buys after them, as they come in event time."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from services.simulator.buys import NO_BUYS, Buys, Shoppers, buys_in_order
from services.simulator.likes import NONE, Likes, joined
from services.simulator.recommender import EARLIER_MS, Recommender
from services.simulator.settings import Planted
from services.simulator.slates import NO_SLATES, Slates, slates_in_order
from services.simulator.world import World

# Likes planned at a time: their slates come before them, so that likes are known before they are due.
AHEAD: Final = 2_000


class Taken(NamedTuple):
    likes: Likes
    slates: Slates
    buys: Buys


class Stream:
    """Of a world that shows slates, with what is planted in it; or (None) of the world alone."""

    def __init__(self, world: World, planted: Planted | None) -> None:
        self._world = world
        self.recommender = Recommender(world, planted) if planted is not None else None
        self._shoppers = Shoppers(world, planted.buys) if planted is not None else None
        self._likes, self._slates, self._buys = NONE, NO_SLATES, NO_BUYS

    def take(self, most: int, before_ms: int) -> Taken:
        """The next likes in order of event time, at most so many and none of `before_ms` or later; and the slates and
        buys of up to the last of them, or of before `before_ms` where there are no more likes before.
        """
        if self.recommender is None or self._shoppers is None:
            return Taken(self._world.take(most, before_ms), NO_SLATES, NO_BUYS)
        if most <= 0:
            return Taken(NONE, NO_SLATES, NO_BUYS)
        while True:
            stop = min(int(np.searchsorted(self._likes.times_ms, before_ms)), most)
            reached = int(self._likes.times_ms[stop - 1]) if stop == most else before_ms - 1
            # No like that is still to come has a slate of before this.
            if len(self._likes) > stop and self._likes.times_ms[-1] - EARLIER_MS >= reached:
                break
            self._plan(self.recommender, self._shoppers)
        likes, self._likes = self._likes.take(slice(0, stop)), self._likes.take(slice(stop, None))
        shown, bought = (int(np.searchsorted(rows.times_ms, reached, "right")) for rows in (self._slates, self._buys))
        slates, self._slates = self._slates.take(slice(0, shown)), self._slates.take(slice(shown, None))
        buys, self._buys = self._buys.take(slice(0, bought)), self._buys.take(slice(bought, None))
        return Taken(likes, slates, buys)

    def _plan(self, recommender: Recommender, shoppers: Shoppers) -> None:
        likes, slates = recommender.show(self._world.take(AHEAD))
        self._likes = joined([self._likes, likes])
        self._slates = slates_in_order([self._slates, slates])
        self._buys = buys_in_order([self._buys, shoppers.buy(likes)])
