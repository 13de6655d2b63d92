"""Which slate a like came from, where it names one: a slate that showed or withheld its target to its actor within the
attribution window before. A name of any other says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit

from services.choice.growing import GrowingColumns
from services.choice.log import ATTRIBUTION_MS, I64, NO_SLATE, Bools, Likes, Rows, Shown
from services.choice.moments import Moments
from shared.hashing import U64, mix

_LOOKED_AT: Final = ("slate", "actor", "target", "time", "withheld")


@dataclass(frozen=True)
class CameFrom(Rows):
    """By like, shapes (n,): the slate that it came from, NO_SLATE where it names none that is known; and whether that
    one showed its target, or else withheld it.
    """

    slate: I64
    showed: Bools

    @property
    def known(self) -> Bools:
        found: Bools = self.slate != NO_SLATE
        return found


def of(likes: Likes, shown: Shown) -> CameFrom:
    """Of a whole log."""
    found = CameFrom(np.zeros(len(likes), np.int64), np.zeros(len(likes), np.bool_))
    naming = np.flatnonzero(likes.slate != NO_SLATE)
    if not len(naming):
        return found
    ones, rows = likes.take(naming), shown.take(np.isin(shown.slate, likes.slate[naming]))
    for showed in (False, True):
        items = rows.take(rows.withheld != showed)
        first, stop = Moments(_key(items), items.time).between(_key(ones), ones.time - ATTRIBUTION_MS, ones.time + 1)
        known = naming[first < stop]
        found.slate[known], found.showed[known] = likes.slate[known], showed
    return found


def among(likes: Likes, kept: GrowingColumns, first: I64, since: I64) -> CameFrom:
    """Of the next likes of a log. `kept`: items by number, a slate's one behind the other; `first`: the number of the
    first item of the slate that each like names; `since`: from when on it was there, ms. Shapes (n,).
    """
    known, showed = np.zeros(len(likes), np.bool_), np.zeros(len(likes), np.bool_)
    columns = (kept[name] for name in _LOOKED_AT)
    named = likes.slate.view(np.uint64)
    _look_up(named, likes.actor, likes.target, likes.time, first - kept.first, since, *columns, known, showed)
    return CameFrom(np.where(known, likes.slate, NO_SLATE), showed)


def _key(rows: Likes | Shown) -> U64:
    return mix(rows.slate.view(np.uint64), mix(rows.actor, rows.target))


@njit(cache=True)
def _look_up(
    named: Any, actor: Any, target: Any, time: Any, first: Any, since: Any,
    slates: Any, actors: Any, targets: Any, times: Any, withheld: Any, known: Any, showed: Any,
) -> None:  # fmt: skip
    for i in range(len(named)):
        k = first[i]
        if k < 0 or since[i] > time[i]:
            continue
        while k < len(slates) and slates[k] == named[i]:
            if actors[k] == actor[i] and targets[k] == target[i] and times[k] >= time[i] - ATTRIBUTION_MS:
                known[i] = True
                showed[i] |= not withheld[k]
            k += 1
