"""When who did what, to be asked for: the rows of a key within a span of time, and the likes that slates led to."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.choice.log import ATTRIBUTION_MS, F64, I64, Likes, Shown
from shared.hashing import U64, mix


class Moments:
    """Rows with a key and a time (ms), shapes (n,). `order`: their places, by key and time, rows of one moment as they
    came.
    """

    def __init__(self, key: U64, time: I64) -> None:
        self._keys, of_row = np.unique(key, return_inverse=True)
        self._begin, self._end = (int(time.min()), int(time.max())) if len(time) else (0, 0)
        # Key and moment as one number; a moment before or after all rows has a place too.
        self._span: Final = self._end - self._begin + 2
        moment = of_row * self._span + (time - self._begin)
        self.order: I64 = np.argsort(moment, kind="stable")
        self._moment = moment[self.order]

    def between(self, key: U64, since: I64, before: I64) -> tuple[I64, I64]:
        """From and to where in `order` the rows of each key lie with since <= time < before. Shapes (n,)."""
        if not len(self._keys):
            return np.zeros(len(key), np.int64), np.zeros(len(key), np.int64)
        place = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        known = self._keys[place] == key
        first, stop = (
            np.searchsorted(self._moment, place * self._span + (np.clip(at, self._begin, self._end + 1) - self._begin))
            for at in (since, before)
        )
        return np.where(known, first, 0), np.where(known, stop, 0)


def outcomes(shown: Shown, likes: Likes, before: I64 | None = None) -> F64:
    """The weight of the first like that each row's actor gave its target within the attribution window from when it
    was shown or withheld, and, where that is given, before a moment (ms); 0 without one. Shapes (n,).
    """
    given = Moments(mix(likes.actor, likes.target), likes.time)
    until = shown.time + ATTRIBUTION_MS + 1
    until = until if before is None else np.minimum(until, before)
    first, stop = given.between(mix(shown.actor, shown.target), shown.time, until)
    liked = np.zeros(len(shown))
    hit = first < stop
    liked[hit] = likes.weight[given.order[first[hit]]]
    return liked


def shown_again(shown: Shown) -> I64:
    """When each row's actor was next shown its target, ms: a like of from then on is due to that. Shape (n,)."""
    key = mix(shown.actor, shown.target)
    order = np.lexsort((shown.time, key))
    again = np.full(len(shown), np.iinfo(np.int64).max)
    same = key[order[1:]] == key[order[:-1]]
    again[order[:-1][same]] = shown.time[order[1:][same]]
    return again
