"""Events that look like an envelope and hold anything else at one of its places: a like, a reason, or left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shared.contract.decode import of_event
from shared.contract.envelopes import Ignored, expand
from shared.contract.opening import DoesNotFit
from tests.jetstream import account, commit

TIME = "2026-01-01T00:00:00Z"
NOW_MS = 1_767_225_700_000
EVENTS: dict[str, dict[str, Any]] = {
    "jetstream": commit(NOW_MS * 1000, "did:plc:a", "3k1", "at://did:plc:b/app.bsky.feed.post/3k0"),
    "jetstream account": account(NOW_MS * 1000, "did:plc:a", False, "deleted"),
    "segment": {
        "type": "track",
        "event": "Post Liked",
        "userId": "u",
        "messageId": "m",
        "timestamp": TIME,
        "properties": {"post_id": "p"},
        "context": {"locale": "en"},
    },
    "segment batch": {"batch": [{"type": "track"}], "sentAt": TIME},
    "debezium": {
        "before": {"id": 1},
        "after": {"id": 1, "user_id": 2, "post_id": 3},
        "op": "c",
        "source": {"ts_ms": 1},
    },
    "debezium, flat": {"__deleted": "true", "id": 1, "user_id": 1, "post_id": 3, "__source_ts_ms": NOW_MS},
    "kafka connect": {"schema": {}, "payload": {"id": 1}},
    "listenbrainz": {"recording_mbid": "r", "score": 1, "user_id": "u", "created": 1_767_225_600},
    "listenbrainz page": {"user_name": "u", "feedback": [{"recording_mbid": "r", "score": 1}]},
    "lastfm page": {
        "lovedtracks": {"track": [{"date": {"uts": "1"}, "artist": {"name": "x"}}], "@attr": {"user": "u"}}
    },
    "activitystreams": {
        "@context": ["https://www.w3.org/ns/activitystreams"],
        "type": ["Like"],
        "actor": {"id": "a"},
        "object": [{"id": "o", "attributedTo": ["z"]}],
        "id": "i",
        "published": TIME,
    },
    "activitystreams undo": {"type": "Undo", "actor": "a", "object": {"type": "Like", "object": "o"}, "id": "i"},
    "cloudevents": {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": "liked",
        "data": {"actor_id": "a", "target_id": "t"},
        "time": TIME,
    },
    "gharchive": {
        "type": "WatchEvent",
        "id": "1",
        "actor": {"login": "a"},
        "repo": {"name": "a/b"},
        "created_at": TIME,
    },
}
ANYTHING: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e300, 10**30, "", "x", "at://", "a/b"),
    *([], [1], ["x"], [[]], [None], {}, {"id": []}, {"x": {}}),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, content in inner:
        yield from places(content, (*path, step))


def put(value: Any, path: tuple[Any, ...], what: Any) -> Any:
    if not path:
        return what
    if isinstance(value, dict):
        return {step: put(content, path[1:], what) if step == path[0] else content for step, content in value.items()}
    return [put(content, path[1:], what) if step == path[0] else content for step, content in enumerate(value)]


@pytest.mark.parametrize("name", EVENTS)
def test_anything_anywhere_is_judged(name: str) -> None:
    judged = {"like": 0, "refused": 0, "left out": 0}
    for path in places(EVENTS[name]):
        for what in ANYTHING:
            for event in expand(put(EVENTS[name], path, what)):
                try:
                    of_event(event, {}, NOW_MS)
                    judged["like"] += 1
                except DoesNotFit:
                    judged["refused"] += 1
                except Ignored:
                    judged["left out"] += 1
    assert judged["refused"] > 0
