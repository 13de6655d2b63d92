"""Users' likes in flat arrays: room for a user doubles with their likes, so that many users with few stay small."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from services.predictor.learning import REMEMBERED, Histories
from shared.checkpoints import Arrays

I64 = npt.NDArray[np.int64]

LEAST_ROOM: Final = 4
_COLUMNS: Final = ("item", "held", "when")


@njit(cache=True)
def _move(source: Any, target: Any, old: Any, new: Any, length: Any) -> None:
    for i in range(len(old)):
        target[new[i] : new[i] + length[i]] = source[old[i] : old[i] + length[i]]


class HistoryStore:
    """Histories of users 0, 1, …; how they lie in memory takes no part in any result."""

    def __init__(self) -> None:
        self.capacity: I64 = np.zeros(1024, np.int64)
        self.end = 0
        self.histories = Histories(
            np.zeros(8192, np.int32),
            np.zeros(8192, np.float32),
            np.zeros(8192, np.int64),
            np.zeros(1024, np.int64),
            np.zeros(1024, np.int64),
        )

    def add_users(self, count: int) -> None:
        """Make sure that users below `count` exist."""
        size = len(self.capacity)
        if count > size:
            more = max(count, size * 2) - size
            self.capacity = np.pad(self.capacity, (0, more))
            h = self.histories
            self.histories = h._replace(start=np.pad(h.start, (0, more)), length=np.pad(h.length, (0, more)))

    def reserve(self, users: I64) -> None:
        """Make room for these likes to come, shape (n,), a user as often as they like."""
        distinct, counts = np.unique(users, return_counts=True)
        needed = np.minimum(self.histories.length[distinct] + counts, REMEMBERED)
        tight = needed > self.capacity[distinct]
        if tight.any():
            self._enlarge(distinct[tight], _room(needed[tight]))

    def _enlarge(self, users: I64, room: I64) -> None:
        if self.end + int(room.sum()) > len(self.histories.item):
            self._compact(int(room.sum()))
        starts = self.end + np.cumsum(room) - room
        h = self.histories
        for name in _COLUMNS:
            values = getattr(h, name)
            _move(values, values, h.start[users], starts, h.length[users])
        h.start[users], self.capacity[users] = starts, room
        self.end += int(room.sum())

    def _compact(self, incoming: int) -> None:
        """Close the gaps that grown histories left behind; larger arrays where that is not enough."""
        h = self.histories
        starts = np.cumsum(self.capacity) - self.capacity
        self.end = int(self.capacity.sum())
        size = len(h.item)
        while size < (self.end + incoming) * 4 // 3:
            size = size * 3 // 2
        moved = {}
        for name in _COLUMNS:
            old = getattr(h, name)
            moved[name] = np.zeros(size, old.dtype)
            _move(old, moved[name], h.start, starts, h.length)
        self.histories = h._replace(start=starts, **moved)

    def snapshot(self, users: int) -> Arrays:
        """The likes of users below `users`, in order of user, without the room between them."""
        h = self.histories
        length = h.length[:users].copy()
        starts = np.cumsum(length) - length
        arrays = {"lengths": length}
        for name in _COLUMNS:
            arrays[name] = np.zeros(int(length.sum()), getattr(h, name).dtype)
            _move(getattr(h, name), arrays[name], h.start[:users], starts, length)
        return arrays

    def restore(self, arrays: Arrays) -> None:
        self.__init__()  # type: ignore[misc]
        length = arrays["lengths"]
        self.add_users(len(length))
        self._enlarge(np.arange(len(length)), _room(length))
        h = self.histories
        h.length[: len(length)] = length
        for name in _COLUMNS:
            _move(arrays[name], getattr(h, name), np.cumsum(length) - length, h.start[: len(length)], length)


def _room(needed: I64) -> I64:
    powers: I64 = 1 << np.ceil(np.log2(np.maximum(needed, LEAST_ROOM))).astype(np.int64)
    return powers
