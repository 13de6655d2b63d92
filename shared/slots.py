"""A bounded table from 64-bit keys to rows of flat arrays: the state of every stage.

Each column is a NumPy array; a row's index (slot) is found by open addressing in compiled code. When the table
is full, the rows last touched longest ago in event time leave, and are counted. Until then, what a table holds
depends only on the keys, values and times it was given, not on its capacity or on how the calls were batched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from shared.hashing import U64

Slots = npt.NDArray[np.int64]
Columns = Mapping[str, Any]


@njit(cache=True)
def _find(table: Any, queries: Any, out: Any) -> None:
    mask = np.uint64(len(table) - 1)
    for i in range(len(queries)):
        key = queries[i]
        at = key & mask
        while True:
            found = table[at]
            if found == key:
                out[i] = np.int64(at)
                break
            if found == 0:
                out[i] = -1
                break
            at = (at + np.uint64(1)) & mask


@njit(cache=True)
def _insert(table: Any, queries: Any, out: Any, new: Any) -> int:
    """Slots of all queries, inserting the missing; `new[i]` where the i-th query was first seen here."""
    mask = np.uint64(len(table) - 1)
    count = 0
    for i in range(len(queries)):
        key = queries[i]
        at = key & mask
        while True:
            found = table[at]
            if found == key:
                out[i] = np.int64(at)
                new[i] = False
                break
            if found == 0:
                table[at] = key
                out[i] = np.int64(at)
                new[i] = True
                count += 1
                break
            at = (at + np.uint64(1)) & mask
    return count


class SlotTable:
    """Rows addressed by key, at most `max_rows` of them.

    Parameters: `columns` maps names to dtypes, or to (dtype, width) for a row of that many values. A column
    `touched` (int64, event time in ms) always exists: callers set it, eviction follows it.
    """

    MAX_LOAD = 0.6

    def __init__(self, columns: Columns, max_rows: int, initial_rows: int = 1024) -> None:
        self.dtypes = {"touched": np.int64, **columns}
        self.max_rows = max_rows
        self.rows = 0
        self.evicted = 0
        self._expired_ms = -1
        self._allocate(1 << int(np.ceil(np.log2(max(initial_rows, 16) / self.MAX_LOAD))))

    def _allocate(self, capacity: int) -> None:
        self.keys: U64 = np.zeros(capacity, np.uint64)
        self.column: dict[str, npt.NDArray[Any]] = {
            name: np.zeros((capacity, kind[1]) if isinstance(kind, tuple) else capacity, _dtype(kind))
            for name, kind in self.dtypes.items()
        }

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.column[name]

    def find(self, keys: U64) -> Slots:
        """Slot of each key, -1 where absent. Shape as `keys`."""
        out = np.empty(len(keys), np.int64)
        _find(self.keys, keys, out)
        return out

    def insert(self, keys: U64) -> tuple[Slots, npt.NDArray[np.bool_]]:
        """Slot of each key, added with zeroed columns where absent, and a mask of those first seen here.

        Slots hold until the next `insert`, `expire` or `keep`.
        """
        self._make_room(len(keys))
        slots = np.empty(len(keys), np.int64)
        new = np.empty(len(keys), np.bool_)
        self.rows += _insert(self.keys, keys, slots, new)
        return slots, new

    def occupied(self) -> Slots:
        """Slots in use, in no particular order."""
        return np.flatnonzero(self.keys)

    def keep(self, slots: Slots) -> None:
        """Drop every row but these."""
        self._rebuild(len(self.keys), slots)

    def expire(self, before_ms: int) -> int:
        """Drop rows not touched since `before_ms`; returns how many. Cheap when there are none."""
        used = self.occupied()
        alive = used[self["touched"][used] >= before_ms]
        dropped = len(used) - len(alive)
        if dropped:
            self.keep(alive)
        return dropped

    def expire_once(self, before_ms: int) -> bool:
        """`expire`, unless that was done for this time already: all rows are looked at. Returns whether it was."""
        if before_ms <= self._expired_ms:
            return False
        self._expired_ms = before_ms
        self.expire(before_ms)
        return True

    def drop(self, keys: U64) -> int:
        """Drop the rows of these keys; returns how many there were."""
        gone = self.find(keys)
        gone = gone[gone >= 0]
        if len(gone):
            self.keep(np.setdiff1d(self.occupied(), gone))
        return len(gone)

    def _make_room(self, incoming: int) -> None:
        full = self.rows + incoming > self.max_rows and self.rows > self.max_rows * 3 // 4
        if not full and self.rows + incoming <= int(len(self.keys) * self.MAX_LOAD):
            return
        used, capacity = self.occupied(), len(self.keys)
        if full:
            # It may have grown beyond its bound for one large batch.
            capacity = 1024
            # Ties are broken by key, so that what leaves never depends on the layout.
            order = np.lexsort((self.keys[used], self["touched"][used]))
            leaving = self.rows - self.max_rows * 3 // 4
            used = used[order[leaving:]]
            self.evicted += leaving
        while len(used) + incoming > int(capacity * self.MAX_LOAD):
            capacity *= 2
        self._rebuild(capacity, used)

    def _rebuild(self, capacity: int, slots: Slots) -> None:
        keys, columns = self.keys[slots], {name: values[slots] for name, values in self.column.items()}
        self._allocate(capacity)
        self._fill(keys, columns)

    def _fill(self, keys: U64, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        slots = np.empty(len(keys), np.int64)
        _insert(self.keys, keys, slots, np.empty(len(keys), np.bool_))
        for name, values in columns.items():
            self.column[name][slots] = values
        self.rows = len(keys)

    def snapshot(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """Rows in key order, so that equal tables give equal snapshots."""
        used = self.occupied()
        used = used[np.argsort(self.keys[used])]
        arrays = {f"{prefix}.{name}": values[used] for name, values in self.column.items()}
        arrays[f"{prefix}.key"] = self.keys[used]
        arrays[f"{prefix}.evicted"] = np.array([self.evicted])
        return arrays

    def restore(self, prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take the rows of a `snapshot` in place of the present ones."""
        keys = arrays[f"{prefix}.key"]
        self._allocate(1 << int(np.ceil(np.log2(max(len(keys), 1024) / self.MAX_LOAD))))
        self._fill(keys, {name: arrays[f"{prefix}.{name}"] for name in self.dtypes})
        self.evicted = int(arrays[f"{prefix}.evicted"][0])


def _dtype(kind: Any) -> npt.DTypeLike:
    return kind[0] if isinstance(kind, tuple) else kind
