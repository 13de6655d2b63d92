"""Likes that stand, slates that count once, and which like a slate is followed by: beside brute force."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from services.choice.log import ATTRIBUTION_MS, NOBODY, Likes, Log, Shown, likes_of, shown_of
from services.choice.moments import outcomes
from shared.contract.decode import Message, decode
from shared.contract.slates import to_items
from shared.events import SURFACES
from shared.exposures import Exposure
from shared.hashing import hash_strings
from tests.likes import START_MS, like

HOUR = 3_600_000


def batch_of(events: list[dict[str, object]]) -> pa.RecordBatch:
    messages = [Message(msgspec.json.encode(e), 0, n, START_MS + 10**10, {}) for n, e in enumerate(events)]
    decoded = decode(messages)
    assert not decoded.rejections
    return decoded.likes


def likes(rows: list[tuple[int, int, int]], weight: float = 1.0) -> Likes:
    """(actor, target, hour)."""
    rows = sorted(rows, key=lambda r: r[2])
    actor, target, hour = (np.array([r[i] for r in rows]) for i in range(3))
    n = len(rows)
    return Likes(
        actor.astype(np.uint64),
        target.astype(np.uint64),
        np.zeros(n, np.uint64),
        (START_MS + hour * HOUR).astype(np.int64),
        np.zeros(n, np.int8),
        np.full(n, weight),
        np.full(n, np.nan),
        np.full(n, np.nan),
    )


def shown(rows: list[tuple[int, int, int]]) -> Shown:
    """(actor, target, hour)."""
    rows = sorted(rows, key=lambda r: r[2])
    actor, target, hour = (np.array([r[i] for r in rows]) for i in range(3))
    n = len(rows)
    return Shown(
        np.arange(n),
        actor.astype(np.uint64),
        target.astype(np.uint64),
        np.zeros(n, np.uint64),
        (START_MS + hour * HOUR).astype(np.int64),
        np.zeros(n, np.int8),
        np.zeros(n, np.int8),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.full(n, np.nan),
        np.zeros(n, np.int64),
        np.zeros(n, np.bool_),
    )


triples = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 60)), min_size=1, max_size=25)


@given(triples, triples)
@settings(deadline=None)
def test_a_like_within_a_day_after_counts(
    given_likes: list[tuple[int, int, int]], slates: list[tuple[int, int, int]]
) -> None:
    found, what = outcomes(shown(slates), likes(given_likes)), shown(slates)
    expected = [
        any(
            actor == a and target == t and 0 <= START_MS + hour * HOUR - at <= ATTRIBUTION_MS
            for a, t, hour in given_likes
        )
        for actor, target, at in zip(what.actor, what.target, what.time, strict=True)
    ]
    assert found.tolist() == [float(e) for e in expected]


def test_the_weight_of_a_like_is_what_counts() -> None:
    assert outcomes(shown([(1, 1, 0)]), likes([(1, 1, 1)], 0.3)).tolist() == [0.3]
    assert outcomes(shown([]), likes([(1, 1, 1)])).tolist() == []
    assert outcomes(shown([(1, 1, 0)]), likes([])).tolist() == [0.0]


def test_what_is_taken_back_was_not_liked() -> None:
    events = [
        like(1, "ann", "a", 0),
        like(2, "ann", "b", 1),
        like(3, "ann", "a", 2, action="unlike"),
        like(4, "bob", "a", 3, creator_id="cid"),
        like(5, "ann", "a", 4),
        like(6, "bob", "b", 5, action="share"),
        like(7, "bob", "b", 6, action="unlike"),
    ]
    found = likes_of(batch_of(events))
    assert found.time.tolist() == [START_MS + 1000, START_MS + 3000, START_MS + 4000]
    assert found.creator.tolist() == [NOBODY, int(hash_strings(pa.array(["cid"]))[0]), NOBODY]


def slate(slate_id: str, at: int, *targets: str, withheld: tuple[str, ...] = ()) -> Exposure:
    items = [{"target_id": t, "rank": n, "propensity": 0.5} for n, t in enumerate(targets)]
    kept_back = [{"target_id": t, "rank": n} for n, t in enumerate(withheld)]
    return Exposure.model_validate(
        {
            "slate_id": slate_id,
            "occurred_at": START_MS + at,
            "actor_id": "ann",
            "surface": "recommended",
            "policy_id": f"p{at % 2}",
            "items": items,
            "withheld": kept_back,
        }
    )


def test_rows_are_in_order_of_time() -> None:
    slates = [slate("b", 9, "x", "y"), slate("a", 4, "z", withheld=("w",)), slate("c", 5, "v")]
    found, policies = shown_of(to_items(slates))
    assert found.time.tolist() == [START_MS + t for t in (4, 4, 5, 9, 9)]
    assert found.withheld.tolist() == [False, True, False, False, False]
    assert np.isnan(found.propensity).tolist() == [False, True, False, False, False]
    assert [policies[p] for p in found.policy] == ["p0", "p0", "p1", "p1", "p1"]
    assert len(np.unique(found.slate)) == 3
    assert set(found.surface) == {SURFACES.index("recommended")}


def test_what_is_younger_than_the_attribution_window_has_not_matured() -> None:
    log = Log(likes([(1, 1, 30)]), shown([(1, 1, 0), (1, 2, 20)]), ("p",), START_MS + 30 * HOUR)
    assert log.matured.target.tolist() == [1]
    assert len(log.until(START_MS + 29 * HOUR).likes) == 0
    assert log.window == (START_MS, START_MS + 30 * HOUR)
