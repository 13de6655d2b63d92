"""Slates as messages: the fast way to read one holds to the contract, and a row an item comes of them."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import contracts
from shared.contract.decode import NO_RECEIPT, Message
from shared.contract.slates import FastExposure, NotASlate, decode, of_event, parse, to_items
from shared.events import SURFACES
from shared.exposures import ARMS, Exposure
from shared.frames import EXPOSED_ITEMS
from shared.hashing import hash_strings
from shared.topics import EXPOSURES

NOW = 1_767_225_600_000
ITEM = {"target_id": "song", "rank": 0, "propensity": 0.25, "creator_id": 7}
SLATE = {"slate_id": "s1", "occurred_at": "2026-01-01T00:00:00Z", "actor_id": "ann", "items": [ITEM]}

ODD = st.sampled_from(
    [None, "", "x" * 70, "x" * 200, 0, -1, 1, 3.0, 1.5, 10**30, True, "3", "ann", "a\0b", [], {}, "recommended",
     "treated", "agent", "en-GB", "e n", "2026-01-01T00:00:00Z", NOW, "human", 2**31, {"rank": 1}]
)  # fmt: skip
ITEMS = st.lists(
    st.builds(lambda change: {**ITEM, **change}, st.dictionaries(st.sampled_from([*ITEM, "topic", "content_language",
              "content_origin", "more"]), ODD, max_size=2)),
    max_size=3,
)  # fmt: skip
CHANGES = st.dictionaries(
    st.sampled_from([*SLATE, "surface", "policy_id", "arm", "candidates", "withheld", "more"]),
    ODD | ITEMS,
    max_size=3,
)


def message(event: Any, offset: int = 0) -> Message:
    return Message(event if isinstance(event, bytes) else json.dumps(event).encode(), 0, offset, NOW, {})


def hash_of(name: str) -> int:
    return int(hash_strings(pa.array([name]))[0])


@given(CHANGES)
@settings(max_examples=600, deadline=None)
def test_the_fast_way_reads_nothing_that_the_contract_refuses_and_reads_the_same(change: dict[str, Any]) -> None:
    event = {**SLATE, **change}
    try:
        expected = to_items([Exposure.model_validate(event)])
    except ValueError:
        expected = None
    try:
        found = to_items([parse(json.dumps(event).encode(), NO_RECEIPT)])
    except NotASlate:
        found = None
    assert found == expected


SCHEMA = jsonschema_rs.validator_for(contracts.schemas()[EXPOSURES])


@given(CHANGES)
@settings(max_examples=600, deadline=None)
def test_the_schema_refuses_nothing_that_is_accepted(change: dict[str, Any]) -> None:
    event = {**SLATE, **change}
    try:
        Exposure.model_validate(event)
    except ValueError:
        return
    SCHEMA.validate(event)


def test_a_plain_slate_takes_the_fast_way() -> None:
    assert isinstance(parse(json.dumps(SLATE).encode(), NOW), FastExposure)


def test_a_row_an_item() -> None:
    held_back = {"target_id": "other", "rank": 1, "content_origin": "ai", "topic": "jazz"}
    first = {**SLATE, "surface": "recommended", "arm": "holdout", "withheld": [held_back], "candidates": 20}
    decoded = decode([message(first, 5), message({**SLATE, "slate_id": "s2"}, 6)])
    assert decoded.items.schema == EXPOSED_ITEMS
    rows = decoded.items.to_pylist()
    assert [(r["slate"], r["target"], r["withheld"]) for r in rows] == [
        (hash_of("s1"), hash_of("song"), False), (hash_of("s1"), hash_of("other"), True),
        (hash_of("s2"), hash_of("song"), False),
    ]  # fmt: skip
    assert {(r["surface"], r["arm"], r["candidates"]) for r in rows[:2]} == {
        (SURFACES.index("recommended"), ARMS.index("holdout"), 20)
    }
    assert [r["propensity"] for r in rows] == [0.25, None, 0.25]
    assert [r["creator"] for r in rows] == [hash_of("7"), 0, hash_of("7")]
    assert [r["source_offset"] for r in rows] == [5, 5, 6]
    assert to_items([]).num_rows == 0


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (b"no json", "message: not JSON"),
        (b"7", "message: Input should be"),
        ({**SLATE, "items": []}, "items: a slate shows or withholds at least one item"),
        ({**SLATE, "items": [{**ITEM, "rank": -1}]}, "items.0.rank: "),
        ({**SLATE, "occurred_at": NOW + 400_000}, "occurred_at: lies more than 5 minutes after"),
        ({**SLATE, "actor_id": "\ud800"}, "message: not JSON"),
        (b'{"slate_id": "' + b" " * (1 << 20) + b'"}', "message: has 1048592 bytes; at most 1048576"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(event: Any, reason: str) -> None:
    good = message({**SLATE, "slate_id": "s2"}, 1)
    decoded = decode([message(event), good, msgspec.structs.replace(good, value=None)])
    (rejection,) = decoded.rejections
    assert rejection.errors[0].startswith(reason)
    assert decoded.ignored == 1
    assert decoded.items.column("source_offset").to_pylist() == [1]


def test_text_that_is_no_unicode_is_refused_in_a_file_too() -> None:
    with pytest.raises(NotASlate, match="holds text that is not valid Unicode"):
        of_event({**SLATE, "actor_id": "\ud800"})
