"""CloudEvents 1.0 and ActivityStreams 2.0 as envelopes of the same Like.

Sources: CloudEvents 1.0.2 (JSON format, Kafka protocol binding), W3C ActivityStreams 2.0 (`Like`, `Undo`).
"""

from __future__ import annotations

from typing import Any

ACTIVITY_STREAMS = "https://www.w3.org/ns/activitystreams"


def unwrap(event: Any, headers: dict[str, bytes]) -> Any:
    """The Like inside an envelope, as plain JSON values; what is no envelope comes back as it is.

    Raises ValueError for an envelope that cannot hold a Like.
    """
    if not isinstance(event, dict):
        return event
    if "specversion" in event and "data" in event:
        return _from_cloud_event(event["data"], event.get("id"), event.get("time"))
    if "ce_specversion" in headers:
        return _from_cloud_event(event, _text(headers, "ce_id"), _text(headers, "ce_time"))
    context = event.get("@context")
    if context == ACTIVITY_STREAMS or (isinstance(context, list) and ACTIVITY_STREAMS in context):
        return _from_activity(event)
    return event


def _text(headers: dict[str, bytes], name: str) -> str | None:
    value = headers.get(name)
    return value.decode("utf-8") if value is not None else None


def _from_cloud_event(data: Any, event_id: Any, time: Any) -> Any:
    """Fields of `data` win; the envelope's id and time fill what it leaves out."""
    if not isinstance(data, dict):
        raise ValueError("a CloudEvent's data must be a JSON object (content type application/json)")
    filled = {"event_id": event_id, "occurred_at": time, **data}
    return {name: value for name, value in filled.items() if value is not None}


def _from_activity(activity: dict[str, Any]) -> dict[str, Any]:
    kind = activity.get("type")
    if kind == "Like":
        action, inner = "like", activity
    elif kind == "Undo" and isinstance(activity.get("object"), dict) and activity["object"].get("type") == "Like":
        action, inner = "unlike", activity["object"]
    else:
        raise ValueError(f"ActivityStreams type {kind!r} is neither Like nor Undo of a Like")
    fields = {
        "event_id": activity.get("id"),
        "occurred_at": activity.get("published"),
        "actor_id": _iri(activity.get("actor", inner.get("actor"))),
        "target_id": _iri(inner.get("object")),
        "action": action,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _iri(node: Any) -> Any:
    """An object stands for its id."""
    return node.get("id") if isinstance(node, dict) else node
