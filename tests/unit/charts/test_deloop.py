"""De-loop weights: the cap holds, no like that is outside the loop changes, and no more is taken than must be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.charts.deloop import delooped, factor, loop_share

rows = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


@given(rows, st.floats(0, 1))
def test_the_share_is_capped_and_nothing_else_changes(drawn: list[tuple[float, bool]], s_max: float) -> None:
    weight, in_loop = np.array([w for w, _ in drawn]), np.array([mine for _, mine in drawn])
    found = delooped(weight, in_loop, s_max)
    f = factor(weight, in_loop, s_max)
    assert 0 <= f <= 1
    assert loop_share(found, in_loop) <= s_max + 1e-9
    assert np.array_equal(found[~in_loop], weight[~in_loop])
    assert np.array_equal(found[in_loop], weight[in_loop] * f)
    if loop_share(weight, in_loop) <= s_max - 1e-9:
        assert f == 1
    elif weight[~in_loop].sum() > 1e-6:
        # As much as may be.
        assert loop_share(found, in_loop) == pytest.approx(min(s_max, loop_share(weight, in_loop)), abs=1e-6)


def test_by_hand() -> None:
    weight, in_loop = np.array([3.0, 1.0]), np.array([True, False])
    # f 3 / (f 3 + 1) = 1 / 4
    assert factor(weight, in_loop, 0.25) == pytest.approx(1 / 9)
    assert factor(weight, in_loop, 0.0) == 0
    assert factor(weight, in_loop, 1.0) == 1
    assert factor(weight[:1], in_loop[:1], 0.9) == 0
    assert factor(weight[1:], in_loop[1:], 0.0) == 1


@pytest.mark.parametrize(
    ("weight", "s_max", "says"),
    [([1.0, -0.1], 0.5, "not below 0"), ([1.0, np.nan], 0.5, "finite"), ([1.0, 1.0], 1.1, "s_max is 1.1"),
     ([1.0], 0.5, "one of each row")],
)  # fmt: skip
def test_what_is_wrong_is_said(weight: list[float], s_max: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        factor(np.array(weight), np.array([True, False]), s_max)
