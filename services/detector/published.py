"""Verdicts as published: which windows of which actors there is a verdict on, and what it said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.labels import HUMAN
from shared.slots import SlotTable

I64 = npt.NDArray[np.int64]

_COLUMNS: Final = {
    "actor": np.uint64,
    "stamp": np.int16,
    "likes": np.int32,
    "revision": np.int32,
}


@dataclass(frozen=True)
class Groups:
    """Likes by actor and window. Shapes (groups,): index of the actor, start of the window (ms), stamp of the like
    least in favour of a person, label, number of likes; and of each like (shape (likes,)) its group.
    """

    owner: I64
    window: I64
    stamp: npt.NDArray[np.int16]
    label: npt.NDArray[np.int8]
    likes: I64
    of_row: I64

    @classmethod
    def of(cls, owner: I64, windows: I64, probability: Any, stamps: Any, labels: Any) -> Groups:
        order = np.lexsort((probability, windows, owner))
        begins = np.r_[True, (np.diff(owner[order]) != 0) | (np.diff(windows[order]) != 0)][: len(order)]
        first = order[begins]
        of_row = np.empty(len(order), np.int64)
        of_row[order] = np.cumsum(begins) - 1
        label = labels[first].copy()
        np.maximum.at(label, of_row, labels)
        return cls(
            owner[first], windows[first], stamps[first], label, np.bincount(of_row, minlength=len(first)), of_row
        )


class Published:
    """At most `max_rows` windows of actors (of those about whom something was said)."""

    def __init__(self, max_rows: int) -> None:
        self.table = SlotTable(_COLUMNS, max_rows)

    def revise(self, actors: U64, groups: Groups, corrected: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        """Which of these windows need a verdict said anew, and its revision (0: none). `actors` of the groups, and in
        which of them likes are corrected, shapes (n,).

        A window about which nothing is to be said, and was said nothing, needs none.
        """
        windows, stamps, likes = groups.window, groups.stamp, groups.likes
        keys = mix(actors, windows.astype(np.uint64))
        known = self.table.find(keys) >= 0
        some = known | corrected | (groups.label != HUMAN)
        revision = np.zeros(len(keys), np.int32)
        slots, new = self.table.insert(keys[some])
        t = self.table
        changed = new | corrected[some] | (t["stamp"][slots] != stamps[some]) | (t["likes"][slots] != likes[some])
        t["actor"][slots], t["touched"][slots] = actors[some], windows[some]
        t["stamp"][slots], t["likes"][slots] = stamps[some], likes[some]
        t["revision"][slots] += changed
        revision[some] = np.where(changed, t["revision"][slots], 0)
        return revision

    def expire(self, before_ms: int) -> None:
        self.table.expire_once(before_ms)

    def forget(self, actors: U64) -> int:
        used = self.table.occupied()
        gone = np.isin(self.table["actor"][used], actors)
        self.table.keep(used[~gone])
        return int(gone.sum())

    def snapshot(self) -> Arrays:
        return self.table.snapshot("published")

    def restore(self, arrays: Arrays) -> None:
        self.table.restore("published", arrays)
