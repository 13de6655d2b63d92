"""Agents that say that they are: they like what they find, at any hour."""

from __future__ import annotations

from services.simulator.feeds import SEARCH
from services.simulator.likes import UNKNOWN, Likes, accounts, likes
from services.simulator.scene import Scene


class Agents:
    # Of all likes: `WorldSettings.agent_share`.
    share = 0.0

    def plan(self, scene: Scene, kind: int, start_ms: int, stop_ms: int, owed: float) -> Likes:
        rng, settings = scene.rng, scene.settings
        n = rng.poisson(settings.likes_a_ms * settings.agent_share * (stop_ms - start_ms))
        who = accounts(kind, 0, settings.agents)[rng.integers(0, settings.agents, n)]
        targets = rng.integers(0, settings.items, n)
        times = rng.integers(start_ms, stop_ms, n)
        return likes(times, who, targets, scene.feeds.creators[targets], UNKNOWN, kind, SEARCH)
