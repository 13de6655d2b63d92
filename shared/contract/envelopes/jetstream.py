"""Bluesky Jetstream: likes and reposts of the network, and likes taken back by their record key alone.

`createdAt` is what the client claims, so the time is `time_us`, when the server saw it. The like's event_id is its
record's AT URI, which a deletion names too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.contract.envelopes.envelope import Envelope, Ignored, Inner, Unwrapped, present

LIKE: Final = "app.bsky.feed.like"
REPOST: Final = "app.bsky.feed.repost"
_KINDS: Final = ("commit", "identity", "account", "sync", "info")


def _recognises(event: Any, headers: Mapping[str, bytes]) -> bool:
    return isinstance(event, dict) and event.get("kind") in _KINDS and "did" in event and "time_us" in event


def _unwrap(event: Any, headers: Mapping[str, bytes], inner: Inner) -> Unwrapped:
    if event["kind"] != "commit":
        raise Ignored(f"a Jetstream event of kind {event['kind']!r} is no like")
    commit = event.get("commit")
    if not isinstance(commit, dict):
        raise ValueError("a Jetstream event of kind 'commit' must have a commit")
    collection, operation = commit.get("collection"), commit.get("operation")
    if collection not in (LIKE, REPOST):
        raise Ignored(f"a Jetstream record of {str(collection)[:60]} is no like")
    fields = {
        "event_id": f"at://{event['did']}/{collection}/{commit.get('rkey')}",
        "actor_id": event["did"],
        "occurred_at": event["time_us"],
    }
    if operation == "create":
        subject = _subject(commit)
        fields |= {"target_id": subject, "creator_id": _author(subject)}
        fields["action"] = "like" if collection == LIKE else "share"
    elif operation == "delete" and collection == LIKE:
        fields |= {"action": "unlike", "undoes": fields["event_id"]}
    else:
        raise Ignored(f"a Jetstream operation {operation!r} of {collection} is no like")
    return Unwrapped(present(fields))


def _subject(commit: dict[str, Any]) -> Any:
    record = commit.get("record")
    subject = record.get("subject") if isinstance(record, dict) else None
    if not isinstance(subject, dict) or "uri" not in subject:
        raise ValueError("a Jetstream like must name its record.subject.uri")
    return subject["uri"]


def _author(uri: Any) -> str | None:
    """The repository in at://REPOSITORY/COLLECTION/KEY."""
    return uri.split("/")[2] or None if isinstance(uri, str) and uri.startswith("at://") else None


ENVELOPE: Final = Envelope("jetstream", _recognises, _unwrap)
