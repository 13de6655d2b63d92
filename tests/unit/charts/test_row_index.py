"""The index of rows is a dictionary of the latest row of each key."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.charts.row_index import NONE, find, new_index, put, put_all, remove

ROWS = 16


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(1, 9)), max_size=60))
def test_keys_lead_to_their_latest_rows_and_nowhere_when_these_are_removed(steps: list[tuple[int, int]]) -> None:
    """A row is removed, and comes again with another key."""
    table, index, latest = np.zeros((ROWS, 2), np.int64), new_index(ROWS), {}
    for row, key in steps:
        remove(index, table, 1, row)
        if latest.get(table[row, 1]) == row:
            del latest[table[row, 1]]
        table[row, 1] = key
        assert put(index, table, 1, row) == latest.get(key, NONE)
        latest[key] = row
        assert {k: find(index, table, 1, k) for k in range(1, 10)} == {k: latest.get(k, NONE) for k in range(1, 10)}
        assert np.count_nonzero(index) == len(latest)


def test_rows_without_a_key_are_not_indexed() -> None:
    table, index = np.array([[5], [0], [5]]), new_index(3)
    put_all(index, table, 0, np.arange(3))
    assert (find(index, table, 0, 5), np.count_nonzero(index)) == (2, 1)
