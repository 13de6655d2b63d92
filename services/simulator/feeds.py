"""What is put before people: things to their taste, one leading to the next, and what trends for everybody."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.simulator.likes import I64, Bools
from services.simulator.people import HOUR_MS, People, zipf
from services.simulator.settings import WorldSettings
from shared.events import SURFACES

ORGANIC, SEARCH, RECOMMENDED, AUTOPLAY = (SURFACES.index(s) for s in ("organic", "search", "recommended", "autoplay"))
TRENDING: Final = 30
TRENDS_MS: Final = 2 * HOUR_MS
# Shares of the likes of a sitting.
TREND_SHARE: Final = 0.2
OWN_TASTE: Final = 0.8
# A like leads to the next thing of its taste, or the person looks elsewhere.
LEADS_ON: Final = 0.6
# How far it leads, in places by popularity: two people who begin alike soon part.
FURTHEST: Final = 25
STARTERS: Final = 30


class Feeds:
    """The catalogue (things have a taste, a creator and a long-tailed popularity) and what is shown of it."""

    def __init__(self, rng: np.random.Generator, settings: WorldSettings, people: People) -> None:
        self.rng, self.settings, self.people = rng, settings, people
        self.width = settings.items // settings.tastes
        # By taste, the most popular first.
        self.items_of = np.arange(settings.tastes * self.width).reshape(settings.tastes, self.width)
        self.creators = people.creators[rng.integers(0, len(people.creators), settings.items)]
        self._popularity = np.cumsum(zipf(self.width))
        self._trends = np.cumsum(zipf(TRENDING, 0.5))
        self._trending: dict[int, I64] = {}
        self.starters = self.items_of[:, :2].ravel()[:STARTERS]
        self._last_place = rng.integers(0, self.width, settings.people)

    def sitting(self, who: I64, first: Bools, times_ms: I64) -> tuple[I64, I64]:
        """Targets and surfaces for likes of sittings: `who` gave each, and whether it is the `first` of its sitting."""
        rng, n = self.rng, len(who)
        if not n:
            return who, who
        elsewhere = (rng.random(n) >= LEADS_ON) & ~(first & (rng.random(n) < 0.5))
        start = np.where(elsewhere | first, np.arange(n), 0)
        run = np.maximum.accumulate(start)
        step = np.cumsum(rng.integers(1, FURTHEST, n))
        place = np.where(elsewhere, self._popular(n), self._last_place[who] + rng.integers(1, FURTHEST, n))
        place = (place[run] + step - step[run]) % self.width
        own = (rng.random(n) < OWN_TASTE)[run]
        taste = np.where(own, self.people.taste[who], rng.integers(0, self.settings.tastes, n)[run])
        self._last_place[who[own]] = place[own]
        targets = self.items_of[taste, place]
        surfaces = rng.choice([ORGANIC, SEARCH, RECOMMENDED, AUTOPLAY], n, p=(0.35, 0.2, 0.35, 0.1))
        trend = rng.random(n) < TREND_SHARE
        targets[trend] = self.trending(times_ms[trend])
        surfaces[trend] = RECOMMENDED
        return targets, surfaces

    def _popular(self, n: int) -> I64:
        return np.searchsorted(self._popularity, self.rng.random(n)).clip(0, self.width - 1)

    def usual(self, n: int) -> I64:
        """Popular things of all tastes: what an account likes that wants to look like a person's."""
        return self.items_of[self.rng.integers(0, self.settings.tastes, n), self._popular(n)]

    def obscure(self, n: int) -> I64:
        """Different things from anywhere in the catalogue: whoever pays for likes is not popular."""
        return self.rng.choice(self.settings.items, min(n, self.settings.items), replace=False)

    def trending(self, times_ms: I64) -> I64:
        """Of the things that trend in these hours, one each."""
        epochs, which = np.unique(times_ms // TRENDS_MS, return_inverse=True)
        lists = np.array([self._list(int(epoch)) for epoch in epochs]).reshape(-1, TRENDING)
        place = np.searchsorted(self._trends, self.rng.random(len(times_ms))).clip(0, TRENDING - 1)
        return lists[which, place]

    def _list(self, epoch: int) -> I64:
        found = self._trending.get(epoch)
        if found is None:
            # From the seed and the hours alone: whoever asks first gets the same list.
            rng = np.random.default_rng((self.settings.seed, epoch))
            found = self._trending[epoch] = rng.choice(self.settings.items, TRENDING, replace=False)
            if len(self._trending) > 64:
                del self._trending[min(self._trending)]
        return found
