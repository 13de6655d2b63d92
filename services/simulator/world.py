"""A seeded world of people, declared agents and bots, and the truth of every like. Pure.

Time is planned in blocks whose length follows from the settings, so what happens depends on the seed and the beginning
alone, not on how much is taken at a time. Crowds (`crowds`) and bots (`bots`) are lists of what may happen.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from services.simulator.bots import BOTS
from services.simulator.crowds import AGENT, CROWDS
from services.simulator.likes import F64, NONE, Likes, joined
from services.simulator.once import Once
from services.simulator.scene import Scene, Source
from services.simulator.settings import WorldSettings

KINDS: Final = (*CROWDS, *BOTS)
BOT_KINDS: Final = tuple(BOTS)
PERSON_KIND: Final = KINDS.index("person")
AGENT_KIND: Final = KINDS.index(AGENT)
SOURCES: Final[tuple[Source, ...]] = (*CROWDS.values(), *BOTS.values())

BLOCK_LIKES: Final = 4_000
SHORTEST_MS: Final = 60_000
LONGEST_MS: Final = 3_600_000


class World:
    def __init__(self, settings: WorldSettings, begin_ms: int) -> None:
        self.settings = settings
        self.scene = Scene(settings, begin_ms)
        self.block_ms = int(np.clip(BLOCK_LIKES / settings.likes_a_ms, SHORTEST_MS, LONGEST_MS))
        self.planned_ms = begin_ms
        self._begun = NONE
        self._ready = NONE
        self._at = 0
        self._shares = _shares(settings)
        self._owed = np.zeros(len(SOURCES))
        self._once = Once()

    def take(self, most: int, before_ms: int | None = None) -> Likes:
        """The next likes in order of event time: so many, fewer where `before_ms` comes first."""
        parts: list[Likes] = []
        while most > 0:
            if self._at == len(self._ready):
                if before_ms is not None and self.planned_ms >= before_ms:
                    break
                self._plan()
                continue
            stop = len(self._ready)
            if before_ms is not None:
                stop = int(np.searchsorted(self._ready.times_ms, before_ms))
            stop = min(stop, self._at + most)
            if stop <= self._at:
                break
            parts.append(self._ready.take(slice(self._at, stop)))
            most -= stop - self._at
            self._at = stop
        return joined(parts)

    def _plan(self) -> None:
        """Plan what begins in the next block. What lies in it is ready, what lies behind it has begun."""
        start, stop = self.planned_ms, self.planned_ms + self.block_ms
        parts = []
        for kind, source in enumerate(SOURCES):
            self._owed[kind] += self._shares[kind] * self.settings.likes_a_ms * self.block_ms
            parts.append(source.plan(self.scene, kind, start, stop, float(self._owed[kind])))
        planned = joined(parts)
        has_joined = planned.times_ms >= planned.created_ms
        planned = planned.take(self._once.first(planned.actors, planned.targets, has_joined))
        self._owed -= np.bincount(planned.kinds, minlength=len(KINDS))
        everything = joined([self._begun, planned])
        now = everything.times_ms < stop
        self._ready, self._at = everything.take(now).in_order(), 0
        self._begun = everything.take(~now)
        self.planned_ms = stop


def _shares(settings: WorldSettings) -> F64:
    """Of all likes, by kind. Agents see to theirs themselves."""
    shares = np.array([source.share for source in SOURCES])
    people, bots = np.arange(len(KINDS)) < len(CROWDS), np.arange(len(KINDS)) >= len(CROWDS)
    shares[people] *= (1 - settings.bot_share - settings.agent_share) / shares[people].sum()
    shares[bots] *= settings.bot_share / shares[bots].sum()
    return shares
