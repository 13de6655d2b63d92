"""What leaves the tables: periods whose time is over, and entries where there is no room, compiled.

A full table drops as Agarwal et al. merge summaries ("Mergeable summaries", PODS 2012): of the largest chart the half
with the fewest likes, and an entry that comes back may have had as many as the chart's error says. So an entry has at
least the likes of its cell, and no more than those and what it `MISSED`. Where in the log this happens does not depend
on how the log is cut.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from services.charts.periods import LENGTH_MS
from services.charts.row_index import remove
from services.charts.tables import (
    CELL,
    CHANGED,
    CLOCK,
    DROPPED,
    ENTRIES,
    ERROR,
    FIRST,
    FREE_CELL,
    FREE_GROUP,
    GROUP,
    HOUR,
    KIND,
    LABELS,
    LAST_GROUP,
    LIKES,
    MISSED,
    NEXT,
    NEXT_FREE,
    START,
    Tables,
)

ENTRY_OF = 0xFFFFFFFF
HIGHEST = np.iinfo(np.int64).max


@njit(cache=True)
def expire(tables: Tables, hashes: Any, uses: Any, kept_ms: Any) -> None:
    """Event time is in another hour: periods whose time is over leave. `hashes`, `uses`: of entries, by number."""
    numbers, groups = tables.numbers, tables.groups
    numbers[HOUR] = numbers[CLOCK] // LENGTH_MS[0]
    for group in range(numbers[LAST_GROUP]):
        kind = groups[group, KIND]
        if groups[group, GROUP] != 0 and groups[group, START] + LENGTH_MS[kind] + kept_ms[kind] <= numbers[CLOCK]:
            for chart in (2 * group, 2 * group + 1):
                _drop(tables, hashes, uses, chart, HIGHEST, HIGHEST)
            remove(tables.group_index, groups, GROUP, group)
            groups[group, GROUP] = 0
            groups[group, NEXT_FREE] = numbers[FREE_GROUP]
            numbers[FREE_GROUP] = group + 1


@njit(cache=True)
def make_room(tables: Tables, hashes: Any, uses: Any) -> None:
    """The largest chart keeps those of its entries that may have the most likes, one half."""
    charts, groups = tables.charts, tables.groups
    largest = 0
    for chart in range(1, 2 * tables.numbers[LAST_GROUP]):
        size, most = charts[chart, ENTRIES], charts[largest, ENTRIES]
        # Of equals the one with the lesser key, which does not depend on which numbers were free.
        if size > most or (size == most and groups[chart // 2, GROUP] < groups[largest // 2, GROUP]):
            largest = chart
    likes, ids = _entries(tables, hashes, largest)
    going = len(likes) - len(likes) // 2
    fewest = np.sort(likes)[going - 1]
    below = (likes < fewest).sum()
    last = np.sort(ids[likes == fewest])[going - below - 1]
    charts[largest, ERROR] = max(charts[largest, ERROR], fewest)
    charts[largest, CHANGED] = 1
    tables.numbers[DROPPED] += going
    _drop(tables, hashes, uses, largest, fewest, last)


@njit(cache=True)
def _entries(tables: Tables, hashes: Any, chart: int) -> Any:
    """How many likes there may be of each of its entries, and the entries' hashes. Shapes (n,)."""
    n = tables.charts[chart, ENTRIES]
    likes, ids = np.empty(n, np.int64), np.empty(n, np.int64)
    cell = tables.charts[chart, FIRST] - 1
    for k in range(n):
        likes[k] = _likes_of(tables.halves, cell)
        ids[k] = hashes[tables.cells[cell, CELL] & ENTRY_OF]
        cell = tables.halves[cell, NEXT] - 1
    return likes, ids


@njit(cache=True)
def _likes_of(halves: Any, cell: int) -> Any:
    """How many likes there may have been of a cell's entry."""
    likes = np.int64(halves[cell, MISSED])
    for label in range(LABELS):
        likes += halves[cell, LIKES + label]
    return likes


@njit(cache=True)
def _drop(tables: Tables, hashes: Any, uses: Any, chart: int, fewest: int, last: int) -> None:
    """Of a chart the entries with fewer likes than `fewest`; of those with as many the ones with hashes to `last`."""
    cells, halves, charts, numbers = tables.cells, tables.halves, tables.charts, tables.numbers
    cell = charts[chart, FIRST] - 1
    charts[chart, FIRST] = 0
    while cell >= 0:
        after, entry = np.int64(halves[cell, NEXT]) - 1, cells[cell, CELL] & ENTRY_OF
        likes = _likes_of(halves, cell)
        if likes < fewest or (likes == fewest and hashes[entry] <= last):
            remove(tables.cell_index, cells, CELL, cell)
            cells[cell, CELL] = 0
            halves[cell, NEXT] = numbers[FREE_CELL]
            numbers[FREE_CELL] = cell + 1
            uses[entry] -= 1
            charts[chart, ENTRIES] -= 1
        else:
            halves[cell, NEXT] = charts[chart, FIRST]
            charts[chart, FIRST] = cell + 1
        cell = after
