"""W3C ActivityStreams 2.0 as ActivityPub servers really send it.

`Like` and `EmojiReact` are likes (Misskey's reactions are Likes with more fields), `Announce` is a share, `Undo` of a
like is an unlike, of the like itself or of its id alone. A context may have any form or be missing, a single value
may stand in a list, and most activities have no time: the time of receipt counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.contract.envelopes.envelope import Envelope, Inner, Unwrapped, present

NAMESPACE: Final = "https://www.w3.org/ns/activitystreams"
_ACTIONS: Final = {"Like": "like", "EmojiReact": "like", "Announce": "share"}


def _recognises(event: Any, headers: Mapping[str, bytes]) -> bool:
    if not isinstance(event, dict):
        return False
    context = event.get("@context")
    if context == NAMESPACE or (isinstance(context, list) and NAMESPACE in context):
        return True
    return _single(event.get("type")) in (*_ACTIONS, "Undo") and "actor" in event and "object" in event


def _unwrap(event: Any, headers: Mapping[str, bytes], inner: Inner) -> Unwrapped:
    kind, subject = _single(event.get("type")), _single(event.get("object"))
    fields = {
        "event_id": event.get("id"),
        "occurred_at": event.get("published"),
        "actor_id": _iri(event.get("actor")),
    }
    if isinstance(kind, str) and kind in _ACTIONS:
        fields |= {"action": _ACTIONS[kind], "target_id": _iri(subject), "creator_id": _creator(subject)}
    elif kind == "Undo":
        fields |= _of_undo(subject)
        fields["actor_id"] = fields["actor_id"] or _iri(subject.get("actor") if isinstance(subject, dict) else None)
    else:
        raise ValueError(f"ActivityStreams type {kind!r} is neither Like nor Undo of a Like")
    found = present(fields)
    return Unwrapped(found, "occurred_at" not in found)


def _of_undo(subject: Any) -> dict[str, Any]:
    if isinstance(subject, str):
        return {"action": "unlike", "undoes": subject}
    kind = _single(subject.get("type")) if isinstance(subject, dict) else None
    if kind == "Announce":
        raise ValueError("ActivityStreams Undo of an Announce: a share cannot be taken back")
    if isinstance(subject, dict) and kind in (*_ACTIONS, None):
        target = _iri(_single(subject.get("object")))
        if target is not None:
            return {"action": "unlike", "target_id": target}
        if subject.get("id") is not None:
            return {"action": "unlike", "undoes": subject["id"]}
    raise ValueError(f"ActivityStreams Undo of {kind!r} is neither Like nor Undo of a Like")


def _creator(subject: Any) -> Any:
    """Who made the object, where it came whole."""
    return _iri(_single(subject.get("attributedTo"))) if isinstance(subject, dict) else None


def _single(node: Any) -> Any:
    return node[0] if isinstance(node, list) and len(node) == 1 else node


def _iri(node: Any) -> Any:
    """An object stands for its id."""
    node = _single(node)
    return node.get("id", node.get("href")) if isinstance(node, dict) else node


ENVELOPE: Final = Envelope("activitystreams", _recognises, _unwrap)
