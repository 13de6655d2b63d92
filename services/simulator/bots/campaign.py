"""What campaigns have in common: they come one after another as likes are owed, by accounts that were made for it."""

from __future__ import annotations

from functools import partial

import numpy as np

from services.simulator.feeds import ORGANIC
from services.simulator.likes import F64, I64, Likes, likes
from services.simulator.scene import Scene, happenings
from services.simulator.settings import DAY_MS


class Campaign:
    # Of bots' likes; all kinds have as many.
    share = 1.0

    def plan(self, scene: Scene, kind: int, start_ms: int, stop_ms: int, owed: float) -> Likes:
        return happenings(partial(self.one, scene, kind), scene, start_ms, stop_ms, owed)

    def one(self, scene: Scene, kind: int, at_ms: int) -> Likes:
        """The likes of one campaign that begins at this time."""
        raise NotImplementedError


def bought(scene: Scene, kind: int, size: int, at_ms: int) -> tuple[I64, I64]:
    """Accounts from stock: their codes, and when they were made, weeks ago (ms)."""
    return scene.accounts(kind, size), at_ms - scene.rng.integers(3 * DAY_MS, 90 * DAY_MS, size)


def all_like_all(
    scene: Scene, kind: int, actors: I64, created_ms: I64, targets: I64, begins_ms: I64, delay_ms: F64 | I64
) -> Likes:
    """Every actor likes every target; target t from begins_ms[t] on, after delay_ms[actor, t]."""
    size, count = len(actors), len(targets)
    return likes(
        (begins_ms[None, :] + delay_ms).astype(np.int64).ravel(),
        np.repeat(actors, count),
        np.tile(targets, size),
        np.tile(scene.feeds.creators[targets], size),
        np.repeat(created_ms, count),
        kind,
        ORGANIC,
    )
