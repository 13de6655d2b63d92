"""GH Archive: a WatchEvent is a star, a code host's like; the archive's other events are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.contract.envelopes.envelope import Envelope, Ignored, Inner, Unwrapped, present


def _recognises(event: Any, headers: Mapping[str, bytes]) -> bool:
    return (
        isinstance(event, dict)
        and isinstance(event.get("type"), str)
        and event["type"].endswith("Event")
        and isinstance(event.get("repo"), dict)
        and isinstance(event.get("actor"), dict)
    )


def _unwrap(event: Any, headers: Mapping[str, bytes], inner: Inner) -> Unwrapped:
    if event["type"] != "WatchEvent":
        raise Ignored(f"a {event['type'][:60]} is no star")
    name = event["repo"].get("name")
    owner, slash, _ = name.partition("/") if isinstance(name, str) else ("", "", "")
    fields = {
        "event_id": event.get("id"),
        "occurred_at": event.get("created_at"),
        "actor_id": event["actor"].get("login"),
        "target_id": name,
        "creator_id": owner if slash and owner else None,
    }
    return Unwrapped(present(fields))


ENVELOPE: Final = Envelope("gharchive", _recognises, _unwrap)
