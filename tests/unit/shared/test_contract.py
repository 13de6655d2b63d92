"""One contract for all inputs: times, ids and envelopes as they really come."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bodies import split_body
from shared.contract.decode import (
    UNKNOWN_LIKE,
    Message,
    decode,
    of_event,
    of_values,
    parse,
)
from shared.contract.envelopes import ENVELOPES, Ignored, expand, unwrap
from shared.contract.identifiers import MOST_BYTES, text_of
from shared.contract.like_rows import to_messages
from shared.contract.opening import NO_RECEIPT, DoesNotFit
from shared.contract.times import LATEST_MS, NotATime, epoch_ms, read_time
from shared.contract.verbs import action_of
from shared.events import ACTIONS
from tests.files import read, reasons
from tests.likes import START_MS, like

TIME = "2026-01-01T00:00:00Z"
AS2 = "https://www.w3.org/ns/activitystreams"


@pytest.mark.parametrize(
    ("written", "form"),
    [
        (TIME, "RFC 3339"),
        ("2026-01-01t00:00:00z", "RFC 3339"),
        ("2026-01-01 00:00:00Z", "RFC 3339"),
        ("2026-01-01 00:00:00 UTC", "RFC 3339"),
        ("2026-01-01T01:00:00+0100", "RFC 3339"),
        ("2026-01-01T01:00:00+01", "RFC 3339"),
        ("2025-12-31T19:00:00-05:00", "RFC 3339"),
        ("2026-01-01T00:00:00.000000000Z", "RFC 3339"),
        ("2025-12-31T23:59:60Z", "RFC 3339"),
        ("2026-01-01", "RFC 3339"),
        ("2026-01-01T00:00Z", "RFC 3339"),
        (f" {TIME} ", "RFC 3339"),
        (START_MS // 1000, "seconds"),
        (START_MS / 1000, "seconds"),
        (str(START_MS // 1000), "seconds"),
        (f"{START_MS // 1000}.0", "seconds"),
        (Decimal(START_MS) / 1000, "seconds"),
        (START_MS, "milliseconds"),
        (float(START_MS), "milliseconds"),
        (START_MS * 1000, "microseconds"),
        (START_MS * 1_000_000, "nanoseconds"),
        (str(START_MS * 1_000_000), "nanoseconds"),
        (datetime(2026, 1, 1, tzinfo=UTC), "timestamps"),
        (date(2026, 1, 1), "timestamps"),
    ],
)
def test_times_as_they_are_written(written: Any, form: str) -> None:
    assert read_time(written) == (START_MS, form)
    assert epoch_ms(written) == START_MS


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "soon", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00", "1.767e9", "-5", "12"),
        *(0, 1, -1, 99_999_999, 10**20, 10**400, 7_258_118_400, True, None, float("nan"), float("inf"), [START_MS], {}),
        *(datetime(2026, 1, 1), datetime(9999, 1, 1, tzinfo=UTC), date(1969, 1, 1), Decimal("NaN")),
    ],
)
def test_what_is_no_time_is_refused_with_a_sentence(wrong: Any) -> None:
    with pytest.raises(NotATime, match=r"time|expected|zone"):
        epoch_ms(wrong)


def test_a_clock_without_a_zone_needs_one_said() -> None:
    berlin = timezone(timedelta(hours=1))
    for written in ("2026-01-01T01:00:00", "2026-01-01 01:00:00", datetime(2026, 1, 1, 1)):
        assert read_time(written, berlin)[0] == START_MS
    assert read_time("2026-01-01", berlin)[0] == START_MS - 3_600_000
    assert read_time(TIME, berlin)[0] == START_MS


@given(st.datetimes(datetime(1973, 4, 1), datetime(2199, 12, 30)), st.integers(-14 * 60, 14 * 60))
def test_every_way_to_write_a_moment_means_the_same(moment: datetime, offset: int) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=timezone(timedelta(minutes=offset)))
    us = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert {epoch_ms(w) for w in (moment.isoformat(), moment.isoformat(" "), moment, us // 1000, us, us * 1000)} == {
        us // 1000
    }


@pytest.mark.parametrize(
    ("given_as", "text"),
    [
        *(("007", "007"), ("NA", "NA"), ("null", "null"), ("nan", "nan"), (7, "7"), (-7, "-7"), (7.0, "7")),
        *((2**70, str(2**70)), (Decimal("7.00"), "7"), (UUID(int=7), "00000000-0000-0000-0000-000000000007")),
        *((b"ann", "ann"), (b"\xff\x00", "ff00"), (b"a\n", "610a"), ("at://did:plc:x/y/z", "at://did:plc:x/y/z")),
        ("é" * (MOST_BYTES // 2), "é" * (MOST_BYTES // 2)),
    ],
)
def test_ids_become_text_in_one_way(given_as: Any, text: str) -> None:
    assert text_of(given_as) == text


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "a\0b", "a" * (MOST_BYTES + 1), "é" * (MOST_BYTES // 2) + "a", True, False, None, 1.5, float("nan")),
        *(
            float("inf"),
            1e300,
            Decimal("1.5"),
            Decimal("NaN"),
            Decimal("Infinity"),
            ["a"],
            {"a": 1},
            {1},
            object(),
            b"",
        ),
    ],
)
def test_what_is_no_id_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="id"):
        text_of(wrong)


def activity(**more: Any) -> dict[str, Any]:
    return {"id": "https://m.example/l/1", "type": "Like", "actor": "ann", "object": "song", "@context": AS2, **more}


def cloud_event(**more: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "1", "source": "/s", "type": "liked", "time": TIME, **more}


def commit(operation: str, **record: Any) -> dict[str, Any]:
    inside = {"operation": operation, "collection": "app.bsky.feed.like", "rkey": "3k", **record}
    return {"did": "did:plc:a", "time_us": START_MS * 1000, "kind": "commit", "commit": inside}


def track(event: str = "Post Liked", **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": event, "userId": "ann", "messageId": "m", "timestamp": TIME, **more}


PLAIN = {"actor_id": "ann", "target_id": "song"}
ROW = {"id": 1, "user_id": "ann", "post_id": "song", "created_at": START_MS * 1000}
STAR = {"id": "1", "actor": {"id": 1, "login": "ann"}, "repo": {"id": 2, "name": "o/song"}, "created_at": TIME}
LOVED = {"name": "Song", "mbid": "", "url": "song", "date": {"uts": str(START_MS // 1000)}, "artist": {"name": "A"}}
POST = "at://did:plc:b/app.bsky.feed.post/song"

# (event, its like's (event_id, actor_id, target_id, action)); all at START_MS, or without a time of their own.
ENVELOPED: list[tuple[dict[str, Any], tuple[str, str, str | None, str]]] = [
    (like(1), ("e1", "ann", "song", "like")),
    (like(1, rank=3.0, propensity="0.5", surface=None, creator_id=None), ("e1", "ann", "song", "like")),
    ({"event_id": 1, "occurred_at": TIME, "actor_id": 2, "target_id": 3.0}, ("1", "2", "3", "like")),
    (cloud_event(data=PLAIN), ("/s 1", "ann", "song", "like")),
    (cloud_event(type="com.x.post.unliked", data=PLAIN), ("/s 1", "ann", "song", "unlike")),
    (cloud_event(data={**PLAIN, "event_id": "own"}), ("own", "ann", "song", "like")),
    (
        cloud_event(data_base64=base64.b64encode(json.dumps(PLAIN).encode()).decode()),
        ("/s 1", "ann", "song", "like"),
    ),
    (cloud_event(data=activity()), ("https://m.example/l/1", "ann", "song", "like")),
    (activity(), ("https://m.example/l/1", "ann", "song", "like")),
    (
        activity(published=TIME, type=["Like"], object=[{"id": "song"}]),
        ("https://m.example/l/1", "ann", "song", "like"),
    ),
    (activity(**{"@context": None}), ("https://m.example/l/1", "ann", "song", "like")),
    (
        activity(**{"@context": [{"toot": "x"}, AS2]}, type="EmojiReact"),
        ("https://m.example/l/1", "ann", "song", "like"),
    ),
    (activity(type="Announce", cc=[]), ("https://m.example/l/1", "ann", "song", "share")),
    (activity(type="Undo", object=activity()), ("https://m.example/l/1", "ann", "song", "unlike")),
    (activity(type="Undo", object="https://m.example/l/0"), ("https://m.example/l/1", "ann", None, "unlike")),
    ({"schema": {}, "payload": like(1)}, ("e1", "ann", "song", "like")),
    ({"op": "c", "before": None, "after": ROW, "source": {"ts_ms": 5}}, ("1", "ann", "song", "like")),
    ({"op": "d", "before": ROW, "after": None, "source": {"ts_ms": START_MS}}, ("1", "ann", "song", "unlike")),
    (
        {"schema": {}, "payload": {"op": "r", "before": None, "after": ROW, "ts_ms": START_MS}},
        ("1", "ann", "song", "like"),
    ),
    ({**like(1), "__deleted": "false"}, ("e1", "ann", "song", "like")),
    ({**like(1), "__deleted": "true", "__source_ts_ms": START_MS}, ("e1", "ann", "song", "unlike")),
    (
        commit("create", record={"createdAt": "1999-01-01", "subject": {"uri": POST, "cid": "x"}}),
        ("at://did:plc:a/app.bsky.feed.like/3k", "did:plc:a", POST, "like"),
    ),
    (commit("delete"), ("at://did:plc:a/app.bsky.feed.like/3k", "did:plc:a", None, "unlike")),
    (track(properties={"post_id": "song"}), ("m", "ann", "song", "like")),
    (track("Track Unliked", properties={"target_id": "song"}), ("m", "ann", "song", "unlike")),
    (track(userId=None, anonymousId="ann", properties={"item_id": "song"}), ("m", "ann", "song", "like")),
    ({"type": "WatchEvent", **STAR}, ("1", "ann", "o/song", "like")),
    (
        {"recording_mbid": "song", "score": 1, "user_id": "ann", "created": START_MS // 1000},
        (f"ann song {START_MS // 1000}", "ann", "song", "like"),
    ),
    (
        {"recording_msid": "song", "score": 0, "user_name": "ann", "created": START_MS // 1000},
        (f"ann song {START_MS // 1000}", "ann", "song", "unlike"),
    ),
    ({**LOVED, "user": "ann"}, (f"ann song {START_MS // 1000}", "ann", "song", "like")),
]


@pytest.mark.parametrize(("event", "expected"), ENVELOPED)
def test_one_contract_at_every_door(
    event: dict[str, Any], expected: tuple[str, str, str | None, str], tmp_path: Path
) -> None:
    body = json.dumps(event).encode()
    by_kafka = parse(body, {}, START_MS)
    (through_http,) = split_body(body, {"content-type": "application/json"})
    by_http = parse(through_http.value, through_http.headers, START_MS)
    by_file = of_values(event, START_MS)
    for found in (by_kafka, by_http, by_file):
        assert (found.event_id, found.actor_id, found.target_id, found.action) == expected
        assert found.occurred_at == START_MS
        assert (found.undoes is None) == (found.target_id is not None)
    (tmp_path / "likes.jsonl").write_bytes(body + b"\n")
    result, rows = read(tmp_path / "likes.jsonl")
    if unwrap(event, {}).receipt_is_the_time:
        assert ["no time of receipt" in why for why in reasons(result)] == [True]
    elif found.undoes is not None:
        assert [why.startswith(UNKNOWN_LIKE) for why in reasons(result)] == [True]
    else:
        (row,) = rows.to_pylist()
        assert (row["event_id"], row["actor_id"], row["target_id"], ACTIONS[row["action"]]) == expected
        assert row["occurred_at"] == START_MS


@pytest.mark.parametrize(
    "event",
    [
        {"schema": {}, "payload": None},
        {"op": "t", "after": None},
        commit("update"),
        {**commit("create"), "commit": {"operation": "create", "collection": "app.bsky.feed.post", "rkey": "3k"}},
        {"did": "did:plc:a", "time_us": 1, "kind": "identity", "identity": {}},
        track("Page Viewed"),
        {**track(), "type": "identify"},
        {"type": "PushEvent", **STAR},
        {"recording_mbid": "song", "score": -1, "user_id": "ann", "created": 1},
        {"listened_at": 1, "track_metadata": {}},
    ],
)
def test_what_is_about_something_else_is_left_out_and_counted(event: dict[str, Any]) -> None:
    decoded = decode([Message(json.dumps(event).encode(), 0, 0, START_MS, {}), Message(None, 0, 1, START_MS, {})])
    assert (decoded.ignored, decoded.rejections, decoded.likes.num_rows) == (2, (), 0)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (cloud_event(), "must have data"),
        (cloud_event(data_base64="!"), "base64"),
        (cloud_event(datacontenttype="text/plain", data="x"), "content type 'text/plain'"),
        (cloud_event(data=["x"]), "JSON object"),
        (activity(type="Undo", object={"type": "Announce", "object": "x"}), "a share cannot be taken back"),
        (activity(object=["a", "b"]), "target_id: a list is no id"),
        ({"op": "d", "before": None, "after": None}, "REPLICA IDENTITY"),
        ({"op": "c", "after": "x"}, "the row as an object"),
        (commit("create"), "record.subject.uri"),
        (track(properties={}), "target_id: properties has none of target_id, item_id"),
        (track(properties={"post_id": True}), "target_id: true is no id"),
        ({"recording_mbid": "x", "score": 7}, "score"),
        ({**like(1), "action": "unlike", "target_id": None}, "target_id: Field required"),
        ({**like(1), "undoes": "e0", "target_id": None}, "target_id: Field required"),
    ],
)
def test_an_envelope_that_cannot_hold_a_like_says_why(event: dict[str, Any], reason: str) -> None:
    with pytest.raises(DoesNotFit, match=reason):
        parse(json.dumps(event).encode(), {}, START_MS)


def test_binary_cloud_events_over_kafka_and_http() -> None:
    by_kafka = parse(
        json.dumps(PLAIN).encode(),
        {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"/s", "ce_type": b"liked", "ce_time": TIME.encode()},
        START_MS,
    )
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "liked", "ce-time": TIME}
    (event,) = split_body(json.dumps(PLAIN).encode(), {**headers, "content-type": "application/json; charset=utf-8"})
    by_http = parse(event.value, event.headers, START_MS)
    assert by_kafka == by_http
    assert (by_http.event_id, by_http.occurred_at) == ("/s 1", START_MS)
    with pytest.raises(ValueError, match="'text/plain' cannot be read"):
        split_body(b"x", {**headers, "content-type": "text/plain"})


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (json.dumps([cloud_event(data=PLAIN)] * 2).encode(), "application/cloudevents-batch+json"),
        (b'\x1e{"a":1}\n\x1e{"b":2}\n', "application/json-seq"),
        (b'\xef\xbb\xbf[{"a":1},{"b":2}]', "application/json"),
        (json.dumps({"sentAt": TIME, "batch": [track(), track()]}).encode(), "application/json"),
        (json.dumps({"feedback": [{"score": 1}, {"score": 0}]}).encode(), "application/json"),
        (json.dumps({"lovedtracks": {"track": [LOVED, LOVED], "@attr": {"user": "ann"}}}).encode(), ""),
    ],
)
def test_bodies_of_many_events(body: bytes, kind: str) -> None:
    assert len(split_body(body, {"content-type": kind})) == 2


def test_a_batch_hands_on_what_it_says_once() -> None:
    (only,) = expand({"lovedtracks": {"track": LOVED, "@attr": {"user": "ann"}}})
    assert of_event(only, {}, START_MS).actor_id == "ann"
    (call,) = expand(
        {"sentAt": TIME, "batch": [{"type": "track", "event": "Liked", "userId": "ann", "messageId": "m"}]}
    )
    assert call["sentAt"] == TIME
    assert expand(like(1)) == [like(1)]


def test_the_time_of_receipt_counts_where_an_activity_has_none_but_a_file_has_none_either() -> None:
    assert of_event(activity(), {}, START_MS + 7).occurred_at == START_MS + 7
    with pytest.raises(DoesNotFit, match="no time of receipt"):
        of_event(activity(), {}, NO_RECEIPT)


@pytest.mark.parametrize(
    ("name", "action"),
    [
        *(("Post Liked", "like"), ("track_unliked", "unlike"), ("com.shop.product.favorited", "like")),
        *(("LikeRemoved", "unlike"), ("Song Unfavourited", "unlike"), ("Product Shared", "share"), ("Liked", "like")),
        *(("Item Purchased", "buy"), ("Share Removed", None), ("Page Viewed", None), ("Likelihood", None), ("", None)),
        *(("Disliked", None), ("Unlike", "unlike"), ("repo.starred", "like"), ("Story Reposted", "share")),
    ],
)
def test_names_of_events_say_what_was_done(name: str, action: str | None) -> None:
    assert action_of(name) == action


NAMES = sorted(
    {
        *("@context", "type", "object", "specversion", "data", "data_base64", "datacontenttype", "op", "before"),
        *("after", "source", "kind", "did", "time_us", "commit", "event", "userId", "properties", "repo", "actor"),
        *("score", "recording_mbid", "date", "artist", "uts", "schema", "payload", "__deleted", "batch", "id"),
        *("collection", "operation", "record", "subject", "uri", "context", "lovedtracks", "feedback", "track", "name"),
        *like(1),
    }
)
WORDS = (
    *("Like", "Undo", "Announce", "track", "commit", "create", "delete", "c", "d", "app.bsky.feed.like", "Post Liked"),
    *(AS2, "WatchEvent", "1.0", "e30=", "2026-01-01", "https://x/y", "at:/", "at://"),
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.sampled_from(WORDS)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=8)
    ),
    max_leaves=20,
)


def outcome(event: Any, headers: dict[str, bytes]) -> str:
    """The like's event_id, or why it is none; anything else that is raised fails the test."""
    try:
        return str(of_event(event, headers, START_MS).event_id)
    except (DoesNotFit, Ignored) as error:
        return str(error)


@given(anything, st.dictionaries(st.sampled_from(["ce_specversion", "ce_id", "ce_source", "ce_type"]), st.binary()))
def test_whatever_is_in_an_envelope_is_a_like_or_has_a_reason(event: Any, headers: dict[str, bytes]) -> None:
    assert outcome(event, headers)
    for single in expand(event):
        assert single is not None or event is None or isinstance(event, dict)


@given(st.sampled_from(ENVELOPED), st.lists(st.tuples(st.integers(0, 20), anything), min_size=1, max_size=3))
def test_an_envelope_with_something_else_in_a_field_stops_nobody(
    known: tuple[dict[str, Any], Any], changes: list[tuple[int, Any]]
) -> None:
    event = json.loads(json.dumps(known[0]))
    for place, value in changes:
        holder = event
        for name in list(event):
            if isinstance(event[name], dict) and place % 2:
                holder = event[name]
        names = sorted(holder)
        if names:
            holder[names[place % len(names)]] = value
    assert outcome(event, {})


def test_every_envelope_has_a_name_of_its_own_and_leaves_plain_likes_alone() -> None:
    assert len({envelope.name for envelope in ENVELOPES}) == len(ENVELOPES)
    plain = like(1, creator_id="c", surface="search")
    assert unwrap(plain, {}).fields == plain
    assert not any(envelope.recognises(plain, {}) for envelope in ENVELOPES)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "event_id": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
                "occurred_at": st.integers(10**11, LATEST_MS - 1),
                "actor_id": st.sampled_from(["ann", "7", "at://x"]),
                "target_id": st.sampled_from(["song", "é"]),
            },
            optional={
                "action": st.sampled_from(["like", "unlike", "share", "buy"]),
                "surface": st.sampled_from(["unknown", "search"]),
                "rank": st.integers(0, 9),
                "propensity": st.sampled_from([0.5, 1.0]),
                "creator_id": st.just("c"),
            },
        ),
        max_size=5,
    )
)
def test_likes_written_out_are_the_same_likes(events: list[dict[str, Any]]) -> None:
    once = decode([Message(json.dumps(e).encode(), 0, n, NO_RECEIPT, {}) for n, e in enumerate(events)]).likes
    again = decode([Message(m, 0, n, NO_RECEIPT, {}) for n, m in enumerate(to_messages(once))]).likes
    assert once.equals(again)
