"""Slates as messages: the fast way to read one holds to the contract, and a row an item comes of them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import contracts
from shared.bodies import split_body
from shared.contract.decode import Message
from shared.contract.envelopes import Ignored
from shared.contract.opening import NO_RECEIPT, DoesNotFit
from shared.contract.slates import FastExposure, decode, of_event, parse, to_items
from shared.events import SURFACES
from shared.exposures import ARMS, Exposure
from shared.hashing import hash_strings
from shared.schemas import EXPOSED_ITEMS
from shared.topics import EXPOSURES
from tests.unit.shared.test_hostile_envelopes import ANYTHING, places, put
from truelike.files import exposures
from truelike.files.result import Result

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
        found = to_items([parse(json.dumps(event).encode(), {}, NO_RECEIPT)])
    except DoesNotFit:
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
    assert isinstance(parse(json.dumps(SLATE).encode(), {"traceparent": b"00-1"}, NOW), FastExposure)


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
    with pytest.raises(DoesNotFit, match="holds text that is not valid Unicode"):
        of_event({**SLATE, "actor_id": "\ud800"})


TIME = "2026-01-01T00:00:00Z"
UNTIMED = {name: value for name, value in SLATE.items() if name != "occurred_at"}
BINARY = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"/s", "ce_type": b"shown", "ce_time": TIME.encode()}


def cloud_event(**changes: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "1", "source": "/s", "type": "com.x.slate.shown", "time": TIME, **changes}


ENVELOPED: dict[str, dict[str, Any]] = {
    "CloudEvents": cloud_event(data=UNTIMED),
    "CloudEvents, base64": cloud_event(data_base64=base64.b64encode(json.dumps(UNTIMED).encode()).decode()),
    "CloudEvents, its own time": cloud_event(time="2025-12-31T00:00:00Z", data=SLATE),
    "Kafka Connect": {"schema": {}, "payload": SLATE},
    "Kafka Connect, CloudEvents": {"schema": {}, "payload": cloud_event(data=UNTIMED)},
    "Debezium": {"op": "c", "before": None, "after": {**UNTIMED, "created_at": TIME}, "source": {"ts_ms": 5}},
    "Debezium, its own name": {"op": "r", "before": None, "after": {**SLATE, "actor_id": None, "user_id": "ann"}},
    "Debezium, flat": {**SLATE, "__deleted": "false"},
}


@pytest.mark.parametrize("name", ENVELOPED)
def test_one_contract_at_every_door(name: str, tmp_path: Path) -> None:
    expected, body = to_items([Exposure.model_validate(SLATE)]), json.dumps(ENVELOPED[name]).encode()
    (through_http,) = split_body(body, {"content-type": "application/json"})
    path, result = tmp_path / "slates.jsonl", Result()
    path.write_bytes(body + b"\n")
    for found in (
        decode([Message(body, 0, 0, NOW, {})]).items,
        to_items([parse(through_http.value, through_http.headers, NOW)]),
        exposures.read(path, result, lambda done, total: None),
    ):
        assert found == expected
    assert (result.accepted, result.rejections) == (1, 0)


def test_binary_cloud_events_over_kafka_and_http() -> None:
    body = json.dumps(UNTIMED).encode()
    headers = {name.replace("_", "-"): value.decode() for name, value in BINARY.items()}
    (event,) = split_body(body, {**headers, "content-type": "application/json; charset=utf-8"})
    by_kafka, by_http = parse(body, BINARY, NOW), parse(event.value, event.headers, NOW)
    assert to_items([by_kafka]) == to_items([by_http]) == to_items([Exposure.model_validate(SLATE)])
    # Without a time of its own, that of receipt.
    untimed = {name: value for name, value in BINARY.items() if name != "ce_time"}
    assert parse(body, untimed, NOW + 7).occurred_at == NOW + 7


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (cloud_event(), "envelope: a CloudEvent must have data"),
        (cloud_event(data=[SLATE]), "envelope: a CloudEvent's data must be a JSON object"),
        (cloud_event(data={**UNTIMED, "items": []}), "items: a slate shows or withholds at least one item"),
        # An envelope's id is no slate's: likes name slates.
        (cloud_event(data={**UNTIMED, "slate_id": None}), "slate_id: Field required"),
        (cloud_event(time="2026-01-01T00:05:01Z", data=UNTIMED), "occurred_at: lies more than 5 minutes after"),
        ({"op": "d", "before": SLATE, "after": None}, "envelope: says that a slate is gone"),
        ({**SLATE, "__deleted": "true"}, "envelope: says that a slate is gone"),
        # What can only be a like is no envelope of a slate.
        ({"type": "Like", "actor": "ann", "object": "song"}, "slate_id: Field required"),
        ({"type": "track", "userId": "ann", "event": "Page Viewed"}, "slate_id: Field required"),
        (b"\x00\x00\x00\x00\x07x", "message: is framed with schema 7 of a registry: set SCHEMA_REGISTRY_URL"),
    ],
)
def test_an_envelope_that_holds_no_slate_says_why(event: Any, reason: str) -> None:
    (rejection,) = decode([message(event)]).rejections
    assert rejection.errors[0].startswith(reason)


@pytest.mark.parametrize("event", [{"schema": {}, "payload": None}, {"op": "t", "after": None}])
def test_what_is_about_no_slate_is_left_out_and_counted(event: dict[str, Any], tmp_path: Path) -> None:
    decoded = decode([message(event), message(SLATE, 1)])
    assert (decoded.ignored, decoded.rejections, decoded.items.num_rows) == (1, (), 1)
    path, result = tmp_path / "slates.jsonl", Result()
    path.write_text(f"{json.dumps(event)}\n{json.dumps(SLATE)}\n")
    assert exposures.read(path, result, lambda done, total: None).num_rows == 1
    assert (result.rows, result.accepted, result.ignorations) == (2, 1, 1)


def test_a_plain_slate_with_the_marks_of_a_likes_envelope_is_a_slate() -> None:
    """Whatever else it says: also where the contract has the last word."""
    marked = {**SLATE, "slate_id": 7, "type": "track", "userId": "ann", "kind": "account", "did": "d", "time_us": 1}
    assert parse(json.dumps(marked).encode(), {}, NOW).slate_id == "7"


@pytest.mark.parametrize("name", ["CloudEvents", "Kafka Connect, CloudEvents", "Debezium", "Debezium, flat"])
def test_anything_anywhere_is_judged(name: str) -> None:
    judged = {"slate": 0, "refused": 0, "left out": 0}
    for path in places(ENVELOPED[name]):
        for what in ANYTHING:
            try:
                of_event(put(ENVELOPED[name], path, what), {}, NOW)
                judged["slate"] += 1
            except DoesNotFit:
                judged["refused"] += 1
            except Ignored:
                judged["left out"] += 1
    assert judged["refused"] > 0
    assert judged["slate"] > 0
