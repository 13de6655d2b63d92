"""AI's share of the weight in a file stays under the bound that was set; no more weight is taken than that needs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exporter.deloop import WEIGHT, ceiling, factor, of_ai, recommended_ai, trust, with_training_weight
from services.exporter.files import readable
from services.predictor.task import trust_of
from shared.events import CONTENT_ORIGINS, SURFACES, UNLIKE
from shared.schemas import TRUSTED_LIKES
from tests.trusted_likes import row

amounts = st.floats(0, 1e9, allow_nan=False)
bounds = st.floats(0, 1)

rows = st.lists(
    st.builds(
        lambda **said: said,
        content_origin=st.integers(0, 3),
        surface=st.integers(0, 5),
        label=st.integers(0, 3),
        action=st.integers(0, 3),
        actor_kind=st.integers(0, 2),
        human_probability=st.integers(0, 20).map(lambda steps: steps / 20),
    ),
    max_size=40,
)


def frame(said: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([row(k, "ann", "x", **more) for k, more in enumerate(said)], TRUSTED_LIKES)


@given(amounts, amounts, amounts, bounds)
def test_the_share_is_at_most_the_bound_and_no_less_than_it_must_be(
    people: float, loop: float, fixed: float, bound: float
) -> None:
    found = factor(people + loop + fixed, loop, fixed, bound)
    assert 0 <= found <= 1
    ai, whole = fixed + found * loop, people + fixed + found * loop
    rounding = 1e-9 * (people + loop + fixed)
    if fixed > bound * (people + fixed) + rounding:
        assert found * loop <= rounding
    else:
        assert ai <= bound * whole + rounding
        if found < 1:
            assert ai >= bound * whole - rounding


@pytest.mark.parametrize(
    ("weights", "bound", "expected"),
    [
        ((100, 50, 0), 1.0, 1.0),
        ((100, 50, 0), 0.5, 1.0),
        ((100, 50, 0), 0.2, 0.25),
        ((100, 40, 10), 0.2, 0.0625),
        ((100, 40, 30), 0.2, 0.0),
        ((100, 40, 0), 0.0, 0.0),
        ((0, 0, 0), 0.3, 1.0),
    ],
)
def test_factors(weights: tuple[float, float, float], bound: float, expected: float) -> None:
    assert factor(*weights, bound) == pytest.approx(expected)


@given(rows, bounds)
def test_each_file_keeps_the_bound_by_lowering_recommended_ai_alone(said: list[dict[str, Any]], bound: float) -> None:
    likes = with_training_weight(readable(frame(said)), bound)
    weight, before = likes[WEIGHT].to_numpy().astype(np.float64), trust(likes)
    before[[more["action"] == UNLIKE for more in said]] = 0
    ai, lowered = of_ai(likes), recommended_ai(likes)
    assert (weight[~lowered] == before[~lowered]).all()
    assert (weight <= before).all()
    fixed, whole = before[ai & ~lowered].sum(), before[~lowered].sum()
    if fixed <= bound * whole:
        assert weight[ai].sum() <= bound * weight.sum() + 1e-5
    else:
        assert not weight[lowered].any()


@given(rows)
def test_without_a_bound_a_like_counts_as_at_the_predictor(said: list[dict[str, Any]]) -> None:
    likes = frame([{**more, "action": 0} for more in said])
    assert with_training_weight(readable(likes), 1.0)[WEIGHT].to_pylist() == trust_of(likes).tolist()


def test_what_counts_as_ai_and_as_recommended() -> None:
    said = [
        {"content_origin": CONTENT_ORIGINS.index(origin), "surface": SURFACES.index(surface), "actor_kind": kind}
        for origin, surface, kind in [
            *(("ai", surface, 0) for surface in SURFACES),
            *((origin, "recommended", 0) for origin in CONTENT_ORIGINS),
            ("human", "recommended", 2),
        ]
    ]
    likes = readable(frame(said))
    assert recommended_ai(likes).tolist() == [False, False, False, True, True, False, False, False, True, False, False]
    assert of_ai(likes).tolist() == [True] * 6 + [False, False, True, False, True]


def test_ceilings() -> None:
    assert (ceiling(0.0), ceiling(0.5), ceiling(1.0)) == (1.0, 2.0, np.inf)
