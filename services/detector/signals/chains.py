"""Bounded lists of likes, one a row of a table: the newest are kept, of all rows together.

A chain is the row's newest node and, in each node, the one before it. Nodes are numbered from 1 in the order of likes
and lie in a ring; a number that is too old is the end of its chain.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from services.detector.signals.signal import I64
from shared.checkpoints import Arrays
from shared.hashing import U64

NONE: Final = 0


@njit(cache=True, inline="always")
def push(actor: Any, at: Any, before: Any, newest: Any, a: Any, t: Any, head: Any) -> Any:
    """Add a like to the chain that ends at `head`; returns the new head. `newest` (shape (1,)) counts nodes."""
    newest[0] += 1
    place = newest[0] % len(actor)
    actor[place] = a
    at[place] = t
    before[place] = head
    return newest[0]


@njit(cache=True)
def follow(heads: Any, actor: Any, at: Any, before: Any, newest: Any) -> Any:
    """Likes of several chains, the newest of each first: (index into `heads`, actor, time)."""
    total = 0
    for i in range(len(heads)):
        node = heads[i]
        while node > 0 and node > newest[0] - len(actor):
            total += actor[node % len(actor)] != 0
            node = before[node % len(actor)]
    of, actors, times = np.empty(total, np.int64), np.empty(total, np.uint64), np.empty(total, np.int64)
    found = 0
    for i in range(len(heads)):
        node = heads[i]
        while node > 0 and node > newest[0] - len(actor):
            place = node % len(actor)
            if actor[place] != 0:
                of[found], actors[found], times[found] = i, actor[place], at[place]
                found += 1
            node = before[place]
    return of, actors, times


class Chains:
    """`size` nodes. Heads are columns of the caller's table, 0 where there is none."""

    def __init__(self, size: int) -> None:
        self.actor: U64 = np.zeros(size, np.uint64)
        self.at: I64 = np.zeros(size, np.int64)
        self.before: I64 = np.zeros(size, np.int64)
        self.newest: I64 = np.zeros(1, np.int64)

    def forget(self, actors: U64) -> None:
        """Their nodes stay, without a name."""
        self.actor[np.isin(self.actor, actors)] = 0

    def snapshot(self, prefix: str, since: int) -> dict[str, Any]:
        """Nodes numbered `since` and later."""
        last = int(self.newest[0])
        numbers = np.arange(max(since, last - len(self.actor) + 1, 1), last + 1)
        places = numbers % len(self.actor)
        return {
            f"{prefix}.number": numbers,
            f"{prefix}.actor": self.actor[places],
            f"{prefix}.at": self.at[places],
            f"{prefix}.before": self.before[places],
            f"{prefix}.newest": self.newest.copy(),
        }

    def restore(self, prefix: str, arrays: Arrays) -> None:
        self.__init__(len(self.actor))  # type: ignore[misc]
        places = arrays[f"{prefix}.number"] % len(self.actor)
        self.actor[places] = arrays[f"{prefix}.actor"]
        self.at[places] = arrays[f"{prefix}.at"]
        self.before[places] = arrays[f"{prefix}.before"]
        self.newest[:] = arrays[f"{prefix}.newest"]
