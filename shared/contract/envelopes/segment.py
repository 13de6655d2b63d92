"""Segment's and RudderStack's spec: `track` calls whose event speaks of a like ("Post Liked", "Track Unliked").

Who is userId, or anonymousId; what is in the properties, under the contract's names or those of `rows.ALIASES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.contract.envelopes.envelope import Envelope, Ignored, Inner, Unwrapped, present
from shared.contract.envelopes.rows import missing, renamed
from shared.contract.verbs import action_of

# Looked up in tuples, here and in other envelopes: what comes may be a list, which no set can look for.
_CALLS: Final = ("track", "identify", "page", "screen", "group", "alias")
_MARKS: Final = ("messageId", "userId", "anonymousId", "originalTimestamp")


def _recognises(event: Any, headers: Mapping[str, bytes]) -> bool:
    return isinstance(event, dict) and event.get("type") in _CALLS and any(name in event for name in _MARKS)


def _unwrap(event: Any, headers: Mapping[str, bytes], inner: Inner) -> Unwrapped:
    name = event.get("event")
    action = action_of(name) if event["type"] == "track" and isinstance(name, str) else None
    if action is None:
        raise Ignored(f"the {event['type']} call {str(name or '')[:60]!r} speaks of no like")
    properties = event.get("properties")
    fields = renamed(properties if isinstance(properties, dict) else {})
    if "target_id" not in fields:
        raise missing("target_id", "properties")
    times = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
    who = event.get("userId") if event.get("userId") is not None else event.get("anonymousId")
    context = event.get("context")
    known = present(
        {
            "event_id": event.get("messageId"),
            "occurred_at": next((event[t] for t in times if event.get(t) is not None), None),
            "actor_id": who,
            "action": action,
        }
    )
    found = Unwrapped({**fields, **known})
    # A locale as phones give it ("en-GB", "zh-Hans-CN"); others are left out.
    locale = context.get("locale") if isinstance(context, dict) else None
    return found.filled(actor_locale=locale if isinstance(locale, str) and len(locale) <= 12 else None)


def _expand(event: dict[str, Any]) -> list[Any] | None:
    batch = event.get("batch")
    if not isinstance(batch, list) or event.get("type") in _CALLS:
        return None
    sent_at = event.get("sentAt")
    return [{"sentAt": sent_at, **e} if isinstance(e, dict) and sent_at is not None else e for e in batch]


ENVELOPE: Final = Envelope("segment", _recognises, _unwrap, _expand)
