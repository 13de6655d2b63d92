"""CloudEvents 1.0.2: structured (JSON format, `data` or `data_base64`) and binary mode (Kafka and HTTP bindings).

An id is unique within its source, so `event_id` is "SOURCE ID" unless the data has an event_id of its own. The type
says what was done where it ends in a word for it ("com.example.post.unliked") and the data does not say.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shared.contract.envelopes.envelope import Envelope, Inner, Unwrapped
from shared.contract.verbs import action_of


def _recognises(event: Any, headers: Mapping[str, bytes]) -> bool:
    return "ce_specversion" in headers or (isinstance(event, dict) and "specversion" in event)


def _unwrap(event: Any, headers: Mapping[str, bytes], inner: Inner) -> Unwrapped:
    if isinstance(event, dict) and "specversion" in event:
        context, data = event, _data(event)
    else:
        names = ("id", "source", "type", "time")
        context, data = {name: _text(headers, f"ce_{name}") for name in names}, event
    content = inner(data)
    if not isinstance(content.fields, dict):
        raise ValueError("a CloudEvent's data must be a JSON object (content type application/json)")
    found = content.filled(
        event_id=_event_id(context.get("source"), context.get("id")),
        occurred_at=context.get("time"),
        action=action_of(context["type"]) if isinstance(context.get("type"), str) else None,
    )
    return found if content.receipt_is_the_time else Unwrapped(found.fields, "occurred_at" not in found.fields)


def _event_id(source: Any, number: Any) -> Any:
    # No URI reference holds a space, so no two pairs read the same.
    return f"{source} {number}" if isinstance(source, str) and source and isinstance(number, str) else number


def _data(event: dict[str, Any]) -> Any:
    """Raises ValueError where there is none, or none that is JSON."""
    if "data_base64" in event:
        try:
            return msgspec.json.decode(base64.b64decode(event["data_base64"], validate=True))
        except (TypeError, binascii.Error, UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"a CloudEvent's data_base64 must be JSON in base64: {error}") from None
    kind = event.get("datacontenttype")
    if isinstance(kind, str) and not is_json(kind):
        raise ValueError(f"a CloudEvent's data of content type {kind[:60]!r} cannot be read: send application/json")
    if "data" not in event:
        raise ValueError("a CloudEvent must have data, a JSON object with the fields of the event")
    return event["data"]


def is_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media.endswith(("/json", "+json"))


def _text(headers: Mapping[str, bytes], name: str) -> str | None:
    value = headers.get(name)
    return value.decode("utf-8") if value is not None else None


ENVELOPE: Final = Envelope("cloudevents", _recognises, _unwrap)
