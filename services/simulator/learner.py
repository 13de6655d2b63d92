"""What the simulated platform's recommender has learnt of the likes given so far."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.simulator.likes import F64, I64
from services.simulator.people import HOUR_MS
from shared.hashing import mix

RETRAINED_MS: Final = HOUR_MS // 4
# Tastes last, trends pass.
HALF_LIFE_MS: Final = 24 * HOUR_MS
TREND_HALF_LIFE_MS: Final = HOUR_MS
# What a person's last thing and the next one count, beside one that others of the same taste liked.
TOGETHER: Final = 5.0
_PAIRS: Final = np.uint64(1 << 20)


class Learner:
    """Popularity within a taste, what everybody likes just now, and what people liked one after the other; older likes
    count less. Of the catalogue: what was published since is unknown to it. Pairs that fall together in its table count
    as one.
    """

    def __init__(self, taste: I64, tastes: int, items: int) -> None:
        self._taste, self._items = taste, items
        self._popular = np.zeros((tastes, items), np.float32)
        self._trending = np.zeros(items, np.float32)
        self._together = np.zeros(int(_PAIRS), np.float32)
        self._last = np.full(len(taste), -1)

    def train(self, actors: I64, targets: I64, passed_ms: int) -> None:
        """By people's likes in order of time, since the last time; that was so long ago."""
        known = targets < self._items
        actors, targets = actors[known], targets[known]
        kept = np.float32(0.5 ** (passed_ms / HALF_LIFE_MS))
        self._popular *= kept
        self._together *= kept
        self._trending *= np.float32(0.5 ** (passed_ms / TREND_HALF_LIFE_MS))
        np.add.at(self._popular, (self._taste[actors], targets), 1)
        np.add.at(self._trending, targets, 1)
        order = np.argsort(actors, kind="stable")
        who, what = actors[order], targets[order]
        before = np.where(
            np.r_[True, who[1:] != who[:-1]][: len(who)], self._last[who], np.r_[-1, what[:-1]][: len(who)]
        )
        led = before >= 0
        np.add.at(self._together, _pair(before[led], what[led]), 1)
        self._last[who] = what

    def scores(self, actors: I64, things: I64) -> F64:
        """Of things for each one, shape (n, m)."""
        known = things < self._items
        what = np.where(known, things, 0)
        last = self._last[actors][:, None]
        together = np.where(last >= 0, self._together[_pair(np.broadcast_to(last, what.shape), what)], 0)
        popular = self._popular[self._taste[actors][:, None], what] + self._trending[what]
        return np.where(known, popular + TOGETHER * together, 0.0)


def _pair(first: I64, second: I64) -> I64:
    return (mix(first.astype(np.uint64), second.astype(np.uint64)) % _PAIRS).astype(np.int64)
