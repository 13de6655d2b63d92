"""Likes that are judged anew, for exports in tests."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from shared.schemas import TRUSTED_LIKES
from tests.trusted_likes import row

DAY_S = 86_400

steps = st.integers(0, 20).map(lambda n: n / 20)
judged = st.tuples(st.integers(0, 3), steps)
likes = st.lists(
    st.tuples(
        st.fixed_dictionaries(
            {
                "content_origin": st.integers(0, 3),
                "surface": st.integers(0, 5),
                "action": st.integers(0, 3),
                "actor_kind": st.integers(0, 2),
                "content_language": st.sampled_from([None, "de", "en-GB", "x-klingon", "EN"]),
                "actor_locale": st.sampled_from([None, "sv_SE", "quechuan"]),
            }
        ),
        st.sampled_from(["ann", "bob", "cem"]),
        st.integers(0, 2),
        st.lists(judged, min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=12,
)


def revisions(said: list[Any]) -> list[dict[str, Any]]:
    """The rows of these likes as they come: all first revisions, then all second ones, ..."""
    found = []
    for revision in range(3):
        for number, (like, actor, day, judgements) in enumerate(said):
            if revision >= len(judgements):
                continue
            label, probability = judgements[revision]
            former = judgements[revision - 1] if revision else (None, None)
            judgement = {"label": label, "human_probability": probability, "revision": revision}
            before = {"previous_label": former[0], "previous_probability": former[1]}
            found.append(row(number + day * DAY_S, actor, "x", **like, **judgement, **before))
    return found


def batch(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES)
