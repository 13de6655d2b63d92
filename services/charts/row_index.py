"""From 64-bit keys to rows of a table, compiled: open addressing that gives back what is removed.

A table is an array of rows, shape (n, columns), int64, with the key in column 0, 0 where a row is free. Its index holds
row + 1, 0 where it is empty. `shared.slots` drops rows by rebuilding; here single rows go at any moment.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

NONE: Final = -1
ROOM: Final = 1.5


def new_index(rows: int) -> Any:
    """For so many rows at most; its length is a power of two."""
    return np.zeros(1 << int(np.ceil(np.log2(max(rows, 8) * ROOM))), np.int32)


@njit(cache=True)
def scattered(key: int) -> Any:
    """SplitMix64's finalizer: of neighbouring keys, numbers that lie anywhere."""
    z = np.uint64(key)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64(z ^ (z >> np.uint64(31)))


@njit(cache=True)
def find(index: Any, table: Any, column: int, key: int) -> Any:
    """The row that the key leads to, NONE where there is none."""
    mask = len(index) - 1
    at = scattered(key) & mask
    while index[at] != 0:
        row = np.int64(index[at]) - 1
        if table[row, column] == key:
            return row
        at = (at + 1) & mask
    return NONE


@njit(cache=True)
def put(index: Any, table: Any, column: int, row: int) -> Any:
    """From now on the row's key, which it has already, leads to this row. Returns to which it led before, or NONE."""
    mask, key = len(index) - 1, table[row, column]
    at = scattered(key) & mask
    while index[at] != 0:
        before = np.int64(index[at]) - 1
        if table[before, column] == key:
            index[at] = row + 1
            return before
        at = (at + 1) & mask
    index[at] = row + 1
    return NONE


@njit(cache=True)
def remove(index: Any, table: Any, column: int, row: int) -> None:
    """The row's key leads nowhere, if it led to this row. Before the row's key changes."""
    mask = len(index) - 1
    hole = scattered(table[row, column]) & mask
    while index[hole] != row + 1:
        if index[hole] == 0:
            return
        hole = (hole + 1) & mask
    # Those behind move up, unless they would come before where they are looked for first.
    at = (hole + 1) & mask
    while index[at] != 0:
        first = scattered(table[index[at] - 1, column]) & mask
        if (at - first) & mask >= (at - hole) & mask:
            index[hole] = index[at]
            hole = at
        at = (at + 1) & mask
    index[hole] = 0


@njit(cache=True)
def put_all(index: Any, table: Any, column: int, rows: Any) -> None:
    """Of these rows those that have a key; the last one of a key is what it leads to."""
    for row in rows:
        if table[row, column] != 0:
            put(index, table, column, row)
