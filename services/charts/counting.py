"""A like counted in its charts, taken back, or corrected, compiled: of its hour, day and week; of all, and of its
language and topic; of its target and its creator.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from services.charts.dropping import make_room
from services.charts.periods import FIRST_MS, LENGTH_MS
from services.charts.row_index import NONE, find, put, scattered
from services.charts.tables import (
    CELL,
    CHANGED,
    CHART,
    CLOCK,
    CORRECTED,
    ENTRIES,
    ENTRY,
    ERROR,
    FACET,
    FIRST,
    FREE_CELL,
    FREE_GROUP,
    GROUP,
    KEY,
    KIND,
    LAST_CELL,
    LAST_GROUP,
    LATE,
    LEFT_OUT,
    LIKELY,
    LIKES,
    LIKES_OF,
    MISSED,
    NEXT,
    NEXT_FREE,
    ORIGIN,
    ORIGINS,
    SEEN,
    SEGMENTS,
    SQUARES,
    START,
    UNIT_BITS,
    WEIGHT,
    WEIGHT_OF,
    Tables,
)

MISSED_AT_MOST = np.iinfo(np.int32).max
# Of the limits: how long hours, days and weeks are kept (ms), then how many segments of a facet a period has.
MOST_SEGMENTS = 3


class Like(NamedTuple):
    """Of what charts it is. `target` and `creator`: entries' numbers, NONE where there is none, UNNAMED where no chart
    has it; `language` and `topic`: hashes, 0 where there is none.
    """

    time: int
    target: int
    creator: int
    language: int
    topic: int
    origin: int


class Change(NamedTuple):
    """With which label and weight a like was counted, and is now; NONE and 0: not at all."""

    label_before: int
    weight_before: int
    label: int
    weight: int


class Begun(NamedTuple):
    """Groups that began with rows of a frame: which, and with which row. `count` has one element."""

    group: Any
    row: Any
    count: Any


@njit(cache=True)
def count(
    tables: Tables, hashes: Any, uses: Any, limits: Any, begun: Begun, row: int, like: Like, change: Change
) -> None:
    """A like that comes for the first time begins the charts and entries that there are none of; what changes one that
    was counted changes those that are there.
    """
    cells, halves, index, charts, numbers = (
        tables.cells,
        tables.halves,
        tables.cell_index,
        tables.charts,
        tables.numbers,
    )
    new, at = change.label_before == NONE, tables.at_hand
    n = _charts_of(tables, limits, begun, row, like, new)
    # Where cells most likely are is asked for all of them before any is needed: memory answers these together.
    for k in range(n):
        at[k, LIKELY] = index[scattered(at[k, KEY]) & (len(index) - 1)] - 1
    for k in range(n):
        at[k, SEEN] = cells[at[k, LIKELY], CELL]
    for k in range(n):
        chart, entry, key, cell = at[k, CHART], at[k, ENTRY], at[k, KEY], at[k, LIKELY]
        _add_to_chart(charts, chart, like.origin, change)
        if entry < 0:
            continue
        if cell == NONE or cells[cell, CELL] != key:
            cell = find(index, cells, CELL, key)
        if cell == NONE and new:
            if numbers[FREE_CELL] == 0 and numbers[LAST_CELL] == len(cells):
                make_room(tables, hashes, uses)
            cell = _enter(cells, halves, index, charts, numbers, chart, key)
            uses[entry] += 1
        # What was dropped has nothing to change: it stays below the chart's error.
        if cell != NONE:
            _add_to_cell(cells, halves, cell, like.origin, change)


@njit(cache=True)
def _charts_of(tables: Tables, limits: Any, begun: Begun, row: int, like: Like, new: bool) -> int:
    """The charts that a like is of, with its entry and its cell's key there: the first rows of `at_hand`. Returns how
    many.
    """
    numbers, groups, at = tables.numbers, tables.groups, tables.at_hand
    late, left_out, n = False, False, 0
    for kind in range(3):
        start = (like.time - FIRST_MS[kind]) // LENGTH_MS[kind] * LENGTH_MS[kind] + FIRST_MS[kind]
        if start + LENGTH_MS[kind] + limits[kind] <= numbers[CLOCK]:
            late = True
            continue
        of_all = NONE
        for facet in range(3):
            segment = 0 if facet == 0 else like.language if facet == 1 else like.topic
            if facet > 0 and segment == 0:
                continue
            key = group_key(kind, start, facet, segment)
            group = find(tables.group_index, groups, GROUP, key)
            if group == NONE and new:
                if facet == 0 or groups[of_all, SEGMENTS + facet] < limits[MOST_SEGMENTS]:
                    group = _begin(tables, of_all, key, kind, start, facet)
                    begun.group[begun.count[0]], begun.row[begun.count[0]] = group, row
                    begun.count[0] += 1
                else:
                    left_out = True
            if facet == 0:
                of_all = group
            for of in range(2):
                entry = like.target if of == 0 else like.creator
                if group != NONE and entry != NONE:
                    at[n, CHART], at[n, ENTRY] = 2 * group + of, entry
                    at[n, KEY] = (2 * group + of + 1) << 32 | entry
                    n += 1
    numbers[LATE] += new and late
    numbers[LEFT_OUT] += left_out
    return n


@njit(cache=True)
def group_key(kind: int, start: int, facet: int, segment: int) -> int:
    """Never 0."""
    key = scattered(scattered(start * 16 + kind * 4 + facet) ^ segment)
    return key if key != 0 else 1


@njit(cache=True)
def _begin(tables: Tables, of_all: int, key: int, kind: int, start: int, facet: int) -> int:
    """A new group with two empty charts, beside that of all in its period."""
    groups, numbers = tables.groups, tables.numbers
    group = numbers[FREE_GROUP] - 1
    if group >= 0:
        numbers[FREE_GROUP] = groups[group, NEXT_FREE]
    else:
        group = numbers[LAST_GROUP]
        numbers[LAST_GROUP] += 1
    if facet > 0:
        groups[of_all, SEGMENTS + facet] += 1
    groups[group] = 0
    groups[group, GROUP], groups[group, KIND], groups[group, START], groups[group, FACET] = key, kind, start, facet
    put(tables.group_index, groups, GROUP, group)
    tables.charts[2 * group] = 0
    tables.charts[2 * group + 1] = 0
    return group


@njit(cache=True)
def _add_to_chart(charts: Any, chart: int, origin: int, change: Change) -> None:
    charts[chart, CHANGED] = 1
    if change.label_before != NONE:
        charts[chart, CORRECTED] = 1
        charts[chart, LIKES_OF + change.label_before * ORIGINS + origin] -= 1
    if change.label != NONE:
        charts[chart, LIKES_OF + change.label * ORIGINS + origin] += 1
    charts[chart, WEIGHT_OF + origin] += change.weight - change.weight_before


@njit(cache=True)
def _add_to_cell(cells: Any, halves: Any, cell: int, origin: int, change: Change) -> None:
    if change.label_before != NONE:
        halves[cell, LIKES + change.label_before] -= 1
        halves[cell, ORIGIN + origin] -= 1
    if change.label != NONE:
        halves[cell, LIKES + change.label] += 1
        halves[cell, ORIGIN + origin] += 1
    cells[cell, WEIGHT] += change.weight - change.weight_before
    # In the weights' unit: sums of whole squares would not fit.
    squares = (change.weight * change.weight >> UNIT_BITS) - (change.weight_before * change.weight_before >> UNIT_BITS)
    cells[cell, SQUARES] += squares


@njit(cache=True)
def _enter(cells: Any, halves: Any, index: Any, charts: Any, numbers: Any, chart: int, key: int) -> int:
    """A new cell of nothing yet; there is room."""
    cell = numbers[FREE_CELL] - 1
    if cell >= 0:
        numbers[FREE_CELL] = halves[cell, NEXT]
    else:
        cell = numbers[LAST_CELL]
        numbers[LAST_CELL] += 1
    cells[cell] = 0
    cells[cell, CELL] = key
    halves[cell, MISSED] = min(charts[chart, ERROR], MISSED_AT_MOST)
    halves[cell, NEXT] = charts[chart, FIRST]
    charts[chart, FIRST] = cell + 1
    charts[chart, ENTRIES] += 1
    put(index, cells, CELL, cell)
    return cell
