"""Whole columns at once give what row by row gives."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truelike.files import vectors
from truelike.files.decoding import Decoding
from truelike.files.parts import Part
from truelike.files.result import Result

SECONDS = st.integers(0, 4 * 10**9)
MOMENTS = st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z")
IDS = st.one_of(st.text(max_size=4), st.sampled_from(["", "x" * 128, "é" * 129, "a\0", "NA"]))
TIMES = (
    SECONDS,
    SECONDS.map(lambda s: s * 1000),
    SECONDS.map(lambda s: s * 10**6 + 999),
    SECONDS.map(lambda s: s * 10**9 + 999_999),
    SECONDS.map(str),
    st.integers(10**8, 10**18).map(str),
    MOMENTS,
    st.one_of(
        MOMENTS, st.sampled_from(["2026-02-30T00:00:00Z", "2026-01-01T23:59:60Z", "2026-01-01 00:00:00Z", "now"])
    ),
)
CHOSEN = st.one_of(st.none(), st.sampled_from(["like", "unlike", "human", "agent", "ai", "search", "no"]))


@st.composite
def tables(draw: Any) -> pa.Table:
    rows = draw(st.integers(1, 6))

    def column(values: Any, always: bool = True) -> list[Any]:
        kind = values if always else st.one_of(st.none(), values)
        return draw(st.lists(kind, min_size=rows, max_size=rows))

    columns = {"occurred_at": column(draw(st.sampled_from(TIMES)))}
    for name in ("actor_id", "target_id"):
        columns[name] = column(draw(st.sampled_from([IDS, st.integers(0, 9), st.text("ab", min_size=1)])))
    for name, values in (
        ("event_id", st.text("ab", min_size=1)),
        ("creator_id", IDS),
        ("action", st.sampled_from(["like", "unlike", "share"])),
        ("surface", CHOSEN),
        ("actor_kind", CHOSEN),
        ("rank", st.integers(0, 3)),
        ("slate_id", st.one_of(IDS, st.just("x" * 65))),
        ("topic", st.one_of(st.integers(), IDS)),
        ("principal_id", st.one_of(st.integers(0, 9), IDS)),
        ("agent_key", st.one_of(IDS, st.just("x" * 257), st.integers(0, 2**62))),
        ("signature", st.sampled_from(["none", "valid", "Valid"])),
        ("mandate", st.one_of(st.none(), st.sampled_from(["standing", "cart"]))),
        ("undoes", st.text("ab", min_size=1)),
        ("actor_created_at", SECONDS),
        ("other", st.integers()),
    ):
        if draw(st.booleans()):
            columns[name] = column(values, draw(st.booleans()))
    try:
        return pa.table(columns)
    except (pa.ArrowException, OverflowError):  # an integer that no column holds
        return pa.table({name: [None if v is None else str(v) for v in values] for name, values in columns.items()})


def decoded(table: pa.Table) -> tuple[Any, ...]:
    result = Result()
    found = Decoding({}, None, result).take(Part(list(range(1, table.num_rows + 1)), 0, table))
    rejected = {said: (reason.count, reason.examples) for said, reason in result.rejected.items()}
    likes = found.likes.drop_columns(["sent_at", "source_partition", "source_offset"])  # a file's have no place
    return likes.to_pylist(), found.undoes.to_pylist(), found.rows.tolist(), rejected, dict(result.times)


@settings(max_examples=300)
@given(tables())
def test_columns_are_read_as_rows_are(table: pa.Table) -> None:
    at_once = decoded(table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "likes", lambda *_: None)
        assert decoded(table) == at_once


def test_plain_columns_do_take_the_fast_way() -> None:
    table = {"occurred_at": ["2026-03-01T09:00:00Z"], "actor_id": [7], "target_id": ["t"], "action": ["unlike"]}
    columns = {name: pa.array(values) for name, values in table.items()}
    assert vectors.likes(columns, set(), 1) is not None
    assert vectors.likes({**columns, "rank": pa.array([1])}, set(), 1) is None
