"""What was shown within the attribution window, and each actor's latest slates."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from services.choice.growing import GrowingColumns
from services.choice.log import ATTRIBUTION_MS, HOUR_MS, I64, Shown
from shared.checkpoints import Arrays
from shared.hashing import U64
from shared.slots import SlotTable

# Of an actor, the latest.
SLATES: Final = 8
# Actors who were shown something within the window, and items that were.
MOST_ACTORS: Final = 10_000_000
MOST_ITEMS: Final = 20_000_000
# Whose a slate is that was shown to somebody who is forgotten: no actor's hash is to be it.
FORGOTTEN: Final = np.uint64(1)


class RecentSlates:
    """Slates in order of time; those up to `inserted` are in their actors' rings, the others are of after `clock`, the
    time of the latest like (ms). Ranks beyond are the last of `ranks`. Where items are more than `most_items`, the
    oldest go.
    """

    def __init__(self, ranks: int, most_items: int = MOST_ITEMS) -> None:
        self.inserted, self.clock = 0, 0
        self._ranks, self._most_items = ranks, most_items
        self._rings = SlotTable({"ring": (np.int64, SLATES), "count": np.int64, "liked": np.int64}, MOST_ACTORS)
        # By slate: when, whose, and the numbers of its items, from and to.
        self._slates = GrowingColumns({"time": np.int64, "actor": np.uint64, "begin": np.int64, "end": np.int64})
        self._items = GrowingColumns({"target": np.uint64, "rank": np.int16})
        # Of those that are not in their actors' rings yet.
        self._slots: I64 = np.zeros(0, np.int64)

    def add(self, shown: Shown, actors: U64) -> I64:
        """Take slates in (what was withheld is not shown), none of before those that were taken in; returns the slot of
        each of these actors, -1 for who was shown nothing. Shape as `actors`.
        """
        rows = shown.take(~shown.withheld)
        rows = rows.take(np.lexsort((rows.rank, rows.slate, rows.time)))
        new = np.flatnonzero(np.r_[True, rows.slate[1:] != rows.slate[:-1]][: len(rows)])
        ends = np.r_[new[1:], len(rows)][: len(new)].astype(np.int64)
        base = self._items.stop
        self._slates.append(time=rows.time[new], actor=rows.actor[new], begin=base + new, end=base + ends)
        self._items.append(target=rows.target, rank=np.minimum(rows.rank, self._ranks - 1))
        self._drop(int(np.searchsorted(self._slates["begin"], self._items.stop - self._most_items)))
        pending = slice(self.inserted, None)
        self._slots, _ = self._rings.insert(self._slates["actor"][pending])
        np.maximum.at(self._rings["touched"], self._slots, self._slates["time"][pending])
        return self._rings.find(actors)

    def arrays(self) -> tuple[Any, ...]:
        """By slate: time, from where to where its items are; the number of the first slate and of the first item; by
        item: target, rank; by slate that is not inserted yet: the slot of its actor; by slot: the numbers of the
        actor's latest slates, how many there were, and how many at the actor's latest like.
        """
        slates, items = self._slates, self._items
        of_slates = slates["time"], slates["begin"], slates["end"], slates.first, items.first
        of_actors = (self._rings[name] for name in ("ring", "count", "liked"))
        return (*of_slates, items["target"], items["rank"], self._slots, *of_actors)

    def pass_time(self, time_ms: int) -> None:
        """No like of before will look for slates of more than the window before this."""
        self.clock = max(self.clock, time_ms)
        oldest = self.clock - ATTRIBUTION_MS
        self._drop(int(np.searchsorted(self._slates["time"][: self.inserted], oldest)))
        self._rings.expire_once(oldest // HOUR_MS * HOUR_MS)

    def _drop(self, slates: int) -> None:
        if slates:
            self._items.drop(int(self._slates["end"][slates - 1]) - self._items.first)
            self._slates.drop(slates)
            self.inserted = max(0, self.inserted - slates)

    def forget(self, actors: U64) -> None:
        """Whose slates they were is known no more, nor what was in them."""
        self._rings.drop(actors)
        theirs = np.flatnonzero(np.isin(self._slates["actor"], actors))
        self._slates["actor"][theirs] = FORGOTTEN
        for slate in theirs.tolist():
            begin, end = (int(self._slates[name][slate]) - self._items.first for name in ("begin", "end"))
            self._items["target"][begin:end] = 0

    def snapshot(self) -> Arrays:
        return {
            **self._rings.snapshot("slates.rings"),
            **self._slates.snapshot("slates"),
            **self._items.snapshot("slates.items"),
            "slates.place": np.array([self.inserted, self.clock]),
        }

    def restore(self, arrays: Arrays) -> None:
        # A snapshot of before does not say when actors liked something.
        unsaid = {"slates.rings.liked": np.zeros(len(arrays["slates.rings.key"]), np.int64)}
        self._rings.restore("slates.rings", {**unsaid, **arrays})
        self._slates.restore("slates", arrays)
        self._items.restore("slates.items", arrays)
        self.inserted, self.clock = arrays["slates.place"].tolist()
