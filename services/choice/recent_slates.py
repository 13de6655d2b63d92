"""What was shown within the attribution window, and each actor's latest slates."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from services.choice.log import ATTRIBUTION_MS, I64, Shown
from shared.checkpoints import Arrays
from shared.hashing import U64
from shared.slots import SlotTable

# Of an actor, the latest.
SLATES: Final = 8
# Actors who were shown something within the window.
MOST_ACTORS: Final = 10_000_000
HOUR_MS: Final = 3_600_000


class RecentSlates:
    """Slates in order of time, numbered from `_first` on; those up to `inserted` are in their actors' rings, the others
    are of after `clock`, the time of the latest like (ms). Ranks beyond are the last of `ranks`.
    """

    def __init__(self, ranks: int) -> None:
        self.inserted, self.clock = 0, 0
        self._ranks, self._first = ranks, 0
        self._rings = SlotTable({"ring": (np.int64, SLATES), "count": np.int64}, MOST_ACTORS)
        # By slate: when, whose, and where its rows end; by row: target and rank.
        self._time: I64 = np.zeros(0, np.int64)
        self._actor: U64 = np.zeros(0, np.uint64)
        self._end: I64 = np.zeros(0, np.int64)
        self._target: U64 = np.zeros(0, np.uint64)
        self._rank: I64 = np.zeros(0, np.int64)
        self._slot: I64 = np.zeros(0, np.int64)

    def add(self, shown: Shown, actors: U64) -> I64:
        """Take slates in (what was withheld is not shown), none of before those that were taken in; returns the slot of
        each of these actors, -1 for who was shown nothing. Shape as `actors`.
        """
        rows = shown.take(~shown.withheld)
        rows = rows.take(np.lexsort((rows.rank, rows.slate, rows.time)))
        new = np.flatnonzero(np.r_[True, rows.slate[1:] != rows.slate[:-1]][: len(rows)])
        ends = np.r_[new[1:], len(rows)][: len(new)].astype(np.int64)
        self._time = np.r_[self._time, rows.time[new]]
        self._actor = np.r_[self._actor, rows.actor[new]]
        self._end = np.r_[self._end, ends + len(self._target)]
        self._target = np.r_[self._target, rows.target]
        self._rank = np.r_[self._rank, np.minimum(rows.rank, self._ranks - 1)]
        slots, _ = self._rings.insert(self._actor[self.inserted :])
        np.maximum.at(self._rings["touched"], slots, self._time[self.inserted :])
        self._slot = np.r_[np.full(self.inserted, -1), slots]
        return self._rings.find(actors)

    def arrays(self) -> tuple[Any, ...]:
        """By slate: time, slot of its actor, and from where to where its rows are; by row: target, rank; by slot: the
        numbers of the actor's latest slates, and how many there were; the number of the first slate.
        """
        begin = np.r_[0, self._end[:-1]][: len(self._end)]
        rings = self._rings["ring"], self._rings["count"]
        return self._time, self._slot, begin, self._end, self._target, self._rank, *rings, self._first

    def pass_time(self, time_ms: int) -> None:
        """No like of before will look for slates of more than the window before this."""
        self.clock = max(self.clock, time_ms)
        oldest = self.clock - ATTRIBUTION_MS
        gone = min(int(np.searchsorted(self._time[: self.inserted], oldest)), self.inserted)
        # What is kept too long is looked at no more; dropping it copies the rest.
        if gone > len(self._time) // 2:
            rows = int(self._end[gone - 1])
            self._time, self._actor, self._end = self._time[gone:], self._actor[gone:], self._end[gone:] - rows
            self._target, self._rank = self._target[rows:], self._rank[rows:]
            self._first, self.inserted = self._first + gone, self.inserted - gone
        self._rings.expire_once(oldest // HOUR_MS * HOUR_MS)

    def snapshot(self) -> Arrays:
        return {
            **self._rings.snapshot("slates.rings"),
            "slates.time": self._time,
            "slates.actor": self._actor,
            "slates.end": self._end,
            "slates.target": self._target,
            "slates.rank": self._rank,
            "slates.place": np.array([self._first, self.inserted, self.clock]),
        }

    def restore(self, arrays: Arrays) -> None:
        self._rings.restore("slates.rings", arrays)
        self._time, self._actor, self._end, self._target, self._rank = (
            arrays[f"slates.{name}"] for name in ("time", "actor", "end", "target", "rank")
        )
        self._first, self.inserted, self.clock = arrays["slates.place"].tolist()
