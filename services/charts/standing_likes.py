"""Which like of each actor and target stands now, so that what is taken back is exactly what was given.

A pair counts once, as its latest like in event time. An unlike takes it back, a correction of the like that stands (the
same event) replaces it; what is said of a like that no longer stands changes nothing, and is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from services.charts.bootstrap import I64
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.slots import SlotTable

LIKE, CORRECTION, TAKEN_BACK = range(3)
# Of a like, each as int64; hashes by their bits.
EVENT, ACTOR, TARGET, CREATOR, CODE, SCORE, TIME = range(7)


@dataclass(frozen=True)
class Given:
    """Likes, each to count (`sign` 1) or to take back (-1). `values`: shape (n, 7), columns as above; CODE as
    `services.charts.tally` packs it, SCORE the human probability in 2^-24, TIME ms; CREATOR 0 where nobody is known.
    """

    values: I64
    sign: I64

    def __len__(self) -> int:
        return len(self.sign)

    def hashes(self, column: int) -> U64:
        return np.ascontiguousarray(self.values[:, column]).view(np.uint64)

    def take(self, which: Any) -> Given:
        return Given(self.values[which], self.sign[which])


@njit(cache=True)
def _follow(slots: Any, kind: Any, values: Any, rows: Any, stands: Any, out: Any, sign: Any) -> Any:
    """Go through rows in order. Returns how many were put out and how many were of nothing that stands."""
    n, unknown = 0, 0
    for i in range(len(slots)):
        s = slots[i]
        there = s >= 0 and stands[s]
        same = there and rows[s, EVENT] == values[i, EVENT]
        if kind[i] == LIKE:
            if same or (there and rows[s, TIME] > values[i, TIME]):
                continue
        elif not there or (kind[i] == CORRECTION and not same):
            unknown += 1
            continue
        if there:
            out[n], sign[n] = rows[s], -1
            n += 1
        stands[s] = kind[i] != TAKEN_BACK
        if stands[s]:
            rows[s], out[n], sign[n] = values[i], values[i], 1
            n += 1
    return n, unknown


class StandingLikes:
    """At most `most` pairs; when they are more, those that were liked longest ago leave, and can no longer change."""

    def __init__(self, most: int) -> None:
        self._table = SlotTable({"row": (np.int64, 7), "stands": np.bool_}, most)
        # Unlikes and corrections of likes that do not stand.
        self.unknown = 0

    def __len__(self) -> int:
        return int(self._table["stands"].sum())

    @property
    def evicted(self) -> int:
        return self._table.evicted

    def follow(self, kind: npt.NDArray[np.int8], values: I64) -> Given:
        """Rows in log order, `kind` shape (n,); returns what they change, in order."""
        given = Given(values, np.zeros(len(kind), np.int64))
        pairs = mix(given.hashes(ACTOR), given.hashes(TARGET))
        likes = kind == LIKE
        slots, _ = self._table.insert(pairs[likes])
        np.maximum.at(self._table["touched"], slots, values[likes, TIME])
        out, sign = np.empty((2 * len(kind), values.shape[1]), np.int64), np.empty(2 * len(kind), np.int64)
        n, unknown = _follow(
            self._table.find(pairs), kind, values, self._table["row"], self._table["stands"], out, sign
        )
        self.unknown += unknown
        return Given(out[:n], sign[:n])

    def expire(self, before_ms: int) -> None:
        self._table.expire_once(before_ms)

    def forget(self, actors: U64) -> Given:
        """Takes back all that these gave."""
        used = self._table.occupied()
        theirs = used[np.isin(self._table["row"][used, ACTOR].view(np.uint64), actors)]
        theirs = theirs[np.argsort(self._table.keys[theirs])]
        gone = self._table["row"][theirs[self._table["stands"][theirs]]].copy()
        self._table.drop(self._table.keys[theirs])
        return Given(gone, np.full(len(gone), -1))

    def columns(self, since_ms: int) -> tuple[U64, I64]:
        """Who gave each like that stands and is no older, and its code, shapes (n,), in no order."""
        rows = self._table["row"]
        mine = self._table["stands"] & (rows[:, TIME] >= since_ms)
        return rows[mine, ACTOR].view(np.uint64), rows[mine, CODE]

    def snapshot(self) -> Arrays:
        return {**self._table.snapshot("standing"), "standing.unknown": np.array([self.unknown])}

    def restore(self, arrays: Arrays) -> None:
        self._table.restore("standing", arrays)
        self.unknown = int(arrays["standing.unknown"][0])
