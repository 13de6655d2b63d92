"""What signals keyed by actor share: one bounded row of state an actor, and episodes."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np

from services.detector.signals.signal import F64, I64, NOTHING, Bools, Findings, Key
from shared.checkpoints import Arrays
from shared.hashing import U64
from shared.slots import Columns, SlotTable

# What a signal's compiled loop knows of an episode, by column of `found`.
STRENGTH: Final = 0
VALUE: Final = 1
BASELINE: Final = 2
FOUND: Final = (np.float32, 3)


class ActorSignal:
    """State by actor, at most `max_actors`; who was seen longest ago leaves first."""

    name: ClassVar[str]
    key: Key = "actor"
    family: ClassVar[str] = "pace"

    def __init__(self, columns: Columns, max_actors: int) -> None:
        self.table = SlotTable(columns, max_actors)

    def expire(self, before_ms: int) -> None:
        self.table.expire(before_ms)

    def forget(self, actors: U64) -> None:
        leave_out(self.table, self.table.find(actors))

    def snapshot(self) -> Arrays:
        return self.table.snapshot(self.name)

    def restore(self, arrays: Arrays) -> None:
        self.table.restore(self.name, arrays)


def leave_out(table: SlotTable, slots: I64) -> None:
    """Drop these rows of a table; -1 is none."""
    gone = slots[slots >= 0]
    if len(gone):
        table.keep(np.setdiff1d(table.occupied(), gone))


class Episodes:
    """The likes of one call during which a bar is passed, as a compiled loop marks them: arrays of shape (n,).

    An episode begins when an actor passes the bar and ends when it falls below; its first moment never changes, and
    its strength never falls. So the last mark of an episode says all that the ones before it do, in whichever batches
    they came.
    """

    def __init__(self, likes: int) -> None:
        self.marked: Bools = np.zeros(likes, np.bool_)
        self.first_at: I64 = np.empty(likes, np.int64)
        # By STRENGTH, VALUE, BASELINE. Shape (n, 3).
        self.found: Any = np.empty((likes, 3), np.float32)

    def findings(self, actor: U64, at: I64, convicts_from: float) -> Findings:
        """The last mark of each episode. It convicts from this strength on."""
        marks = np.flatnonzero(self.marked)
        if not len(marks):
            return NOTHING
        order = marks[np.lexsort((marks, self.first_at[marks], actor[marks]))]
        next_is_same = (actor[order][1:] == actor[order][:-1]) & (self.first_at[order][1:] == self.first_at[order][:-1])
        last = np.sort(order[np.append(~next_is_same, True)])
        found: F64 = self.found[last].astype(np.float64)
        return Findings(
            actor[last],
            np.zeros(len(last), np.uint64),
            found[:, STRENGTH],
            found[:, STRENGTH] >= convicts_from,
            found[:, VALUE],
            found[:, BASELINE],
            self.first_at[last],
            at[last],
        )
