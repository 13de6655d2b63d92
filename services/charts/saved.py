"""A task's tables as arrays of a snapshot: what is used of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from services.charts.limits import ChartLimits
from services.charts.row_index import NONE, put_all
from services.charts.tables import (
    BEFORE,
    CELL,
    CREATOR,
    EVENT,
    FIRST,
    FREE_CELL,
    FREE_GROUP,
    GONE_NUMBER,
    GROUP,
    LAST_CELL,
    LAST_GROUP,
    LIKE_NUMBER,
    NEXT,
    NEXT_FREE,
    PAIR,
    TARGET,
    Tables,
    new_tables,
)
from shared.checkpoints import Arrays, pack, unpack


def snapshot(tables: Tables, segments: dict[int, str]) -> Arrays:
    """`segments`: names by group."""
    numbers = tables.numbers
    last = int(numbers[LAST_GROUP])
    return {
        "cells": tables.cells[np.flatnonzero(tables.cells[: numbers[LAST_CELL], CELL])],
        "charts": tables.charts[: 2 * last].copy(),
        "groups": tables.groups[:last].copy(),
        "groups.names": pack([segments.get(group, "") for group in range(last)]),
        "likes": tables.likes[_in_order(tables.likes, numbers[LIKE_NUMBER])],
        "gone": tables.gone[_in_order(tables.gone, numbers[GONE_NUMBER])],
        "numbers": numbers.copy(),
    }


def restore(arrays: Arrays, limits: ChartLimits, uses: Any) -> tuple[Tables, dict[int, str]]:
    """The tables, and names of segments by group. Of more likes than may be remembered now the oldest go, and their
    entries have fewer `uses` (by number). Raises ValueError where there is less room for entries than was used.
    """
    tables = new_tables(limits)
    numbers, used, last = tables.numbers, len(arrays["cells"]), len(arrays["groups"])
    if used > limits.entries or last > limits.groups:
        raise ValueError(
            f"the snapshot has {used:,} entries of {limits.entries:,} and {last:,} segments of {limits.groups:,}: "
            "raise the limits to what they were"
        )
    numbers[:] = arrays["numbers"]
    tables.cells[:used], tables.charts[: 2 * last] = arrays["cells"], arrays["charts"]
    tables.groups[:last] = arrays["groups"]
    numbers[LAST_CELL], numbers[FREE_CELL], numbers[FREE_GROUP] = used, 0, 0
    put_all(tables.cell_index, tables.cells, CELL, np.arange(used))
    put_all(tables.group_index, tables.groups, GROUP, np.arange(last))
    _link(tables, used, last)
    going = _restore_ring(
        tables.likes, arrays["likes"], numbers[LIKE_NUMBER], {EVENT: tables.by_event, PAIR: tables.by_pair}
    )
    # What went before that has no place, however many there are now.
    first = numbers[LIKE_NUMBER] - len(arrays["likes"]) + len(going)
    tables.likes[tables.likes[:, BEFORE] < first, BEFORE] = NONE
    for column in (TARGET, CREATOR):
        np.subtract.at(uses, going[going[:, column] >= 0, column], 1)
    _restore_ring(tables.gone, arrays["gone"], numbers[GONE_NUMBER], {0: tables.gone_index})
    return tables, dict(enumerate(unpack(arrays["groups.names"])))


def _in_order(ring: Any, number: int) -> Any:
    """Places of a ring in log order, as far as it was filled; `number` is the next row's."""
    return np.arange(max(0, number - len(ring)), number) % len(ring)


def _restore_ring(ring: Any, rows: Any, number: int, indexes: dict[int, Any]) -> Any:
    """`indexes`: by their keys' column. Returns the rows that there is no place for any more."""
    going = max(0, len(rows) - len(ring))
    places = np.arange(number - len(rows) + going, number) % len(ring)
    ring[places] = rows[going:]
    for column, index in indexes.items():
        put_all(index, ring, column, places)
    return rows[:going]


@njit(cache=True)
def _link(tables: Tables, used: int, last: int) -> None:
    """Cells to their charts, and what is free to what is free."""
    cells, halves, charts, groups = tables.cells, tables.halves, tables.charts, tables.groups
    charts[:, FIRST] = 0
    for cell in range(used):
        chart = (cells[cell, CELL] >> 32) - 1
        halves[cell, NEXT] = charts[chart, FIRST]
        charts[chart, FIRST] = cell + 1
    for group in range(last):
        if groups[group, GROUP] == 0:
            groups[group, NEXT_FREE] = tables.numbers[FREE_GROUP]
            tables.numbers[FREE_GROUP] = group + 1
