"""What happenings of the simulated world draw on: its dice, people, feeds and what is new in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from services.simulator.feeds import Feeds
from services.simulator.likes import I64, LATER, Likes, accounts, joined
from services.simulator.people import People
from services.simulator.settings import WorldSettings

# Happenings in a row to which nobody came, before the next block of time is tried.
MOST_IN_VAIN: Final = 8


class Scene:
    def __init__(self, settings: WorldSettings, begin_ms: int) -> None:
        self.settings = settings
        self.rng = np.random.default_rng(settings.seed)
        self.people = People(self.rng, settings, begin_ms)
        self.feeds = Feeds(self.rng, settings, self.people)
        self._made = 0
        self._campaigns = 0

    def accounts(self, kind: int, size: int) -> I64:
        """Codes of accounts that nobody had before."""
        self._campaigns += 1
        return accounts(kind, self._campaigns, size)

    def publish(self, count: int) -> I64:
        """Codes of so many new things."""
        self._made += count
        return LATER + np.arange(self._made - count, self._made)


class Source(Protocol):
    """What a share of the likes comes from: `share` of people's or bots' likes; 0 for what keeps its own time."""

    share: float

    def plan(self, scene: Scene, kind: int, start_ms: int, stop_ms: int, owed: float) -> Likes:
        """Likes, in any order, of what begins in [start, stop); about as many as are owed. They may end later."""
        ...


def happenings(one: Callable[[int], Likes], scene: Scene, start_ms: int, stop_ms: int, owed: float) -> Likes:
    """One after another, at a time of their own in [start, stop), until as many likes are planned as are owed."""
    parts: list[Likes] = []
    planned = vain = 0
    while planned < owed and vain < MOST_IN_VAIN:
        part = one(int(scene.rng.integers(start_ms, stop_ms)))
        vain = 0 if len(part) else vain + 1
        planned += len(part)
        parts.append(part)
    return joined(parts)
