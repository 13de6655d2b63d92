"""Bodies of HTTP requests as single events, each as a message of `likes.v1` would have it.

One JSON object, an array, NDJSON, JSON text sequences (RFC 7464), batches of the envelopes that know some, and
CloudEvents over HTTP in binary, structured and batched mode (CloudEvents HTTP binding 1.0.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from shared.contract.envelopes import expand, may_be_batch
from shared.contract.envelopes.cloudevents import is_json

_RECORD_SEPARATOR: Final = b"\x1e"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CE: Final = "ce-"


@dataclass(frozen=True)
class Event:
    """The value of a message, and its headers (a CloudEvent's attributes, in Kafka's names)."""

    value: bytes
    headers: dict[str, bytes] = field(default_factory=dict)


def split_body(body: bytes, headers: Mapping[str, str]) -> list[Event]:
    """The events of a request. Raises ValueError with what is wrong with all of it."""
    body = body.removeprefix(_BYTE_ORDER_MARK)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if "ce-specversion" in headers:
        if kind and not is_json(kind):
            raise ValueError(f"a CloudEvent's data of content type {kind[:60]!r} cannot be read: send application/json")
        return [Event(body, _attributes(headers))]
    if "ndjson" in kind or "jsonl" in kind:
        return [Event(line) for line in body.splitlines() if line.strip()]
    if "json-seq" in kind:
        return [Event(text) for text in body.split(_RECORD_SEPARATOR) if text.strip()]
    return [Event(value) for value in _of_json(body)]


def _of_json(body: bytes) -> list[bytes]:
    try:
        raw = msgspec.json.decode(body, type=list[msgspec.Raw] | dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"body is neither a JSON object nor an array: {error}") from None
    if isinstance(raw, list):
        return [bytes(event) for event in raw]
    if may_be_batch(raw):
        events = expand(msgspec.json.decode(body))
        return [msgspec.json.encode(event) for event in events]
    return [body]


def _attributes(headers: Mapping[str, str]) -> dict[str, bytes]:
    """Attributes as Kafka's binding names them; HTTP's has them percent-encoded."""
    found = {
        f"ce_{name[len(_CE) :]}": unquote_to_bytes(value) for name, value in headers.items() if name.startswith(_CE)
    }
    return {**found, "content-type": b"application/json"}
