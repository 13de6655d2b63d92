"""Sums by unit beside a loop over units, and of parts beside the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.measures.units import Units

rows = st.lists(st.tuples(st.integers(1, 9), st.integers(-5, 5), st.integers(1, 5)), min_size=1, max_size=40)


@given(rows, st.integers(1, 10))
def test_sums_of_parts_are_the_sums_of_the_whole(found: list[tuple[int, int, int]], cut: int) -> None:
    actor, amount, count = np.array(found).T
    whole = Units(actor.astype(np.uint64)).sums(amount, count)
    parts = [
        Units(actor[which].astype(np.uint64)).sums(amount[which], count[which]) for which in (actor < cut, actor >= cut)
    ]
    for sums in (parts[0] + parts[1], parts[1] + parts[0]):
        assert (sums.units, sums.rows) == (whole.units, whole.rows) == (len(set(actor.tolist())), len(found))
        assert sums.totals.tolist() == whole.totals.tolist() == [amount.sum(), count.sum()]
        assert sums.products.tolist() == whole.products.tolist()
    by_hand = sum(amount[actor == one].sum() * count[actor == one].sum() for one in set(actor.tolist()))
    assert whole.products[0, 1] == by_hand


@given(rows)
def test_the_pulls_of_all_units_are_the_ratios_variance(found: list[tuple[int, int, int]]) -> None:
    actor, amount, count = np.array(found).T
    sums = Units(actor.astype(np.uint64)).sums(amount, count)
    assert sums.ratio((0, 1)) == pytest.approx(amount.sum() / count.sum())
    pull = sums.pull((0, 1))
    assert pull @ sums.totals == pytest.approx(0.0, abs=1e-12)
    of_unit = [
        (amount[actor == one].sum() - sums.ratio((0, 1)) * count[actor == one].sum()) / count.sum()
        for one in set(actor.tolist())
    ]
    assert sums.squares(pull) == pytest.approx(np.square(of_unit).sum(), abs=1e-12)
