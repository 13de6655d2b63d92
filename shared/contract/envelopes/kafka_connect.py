"""Kafka Connect's JsonConverter with schemas.enable: `{"schema": {...}, "payload": {...}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.contract.envelopes.envelope import Envelope, Ignored, Inner, Unwrapped


def _recognises(event: Any, headers: Mapping[str, bytes]) -> bool:
    return isinstance(event, dict) and event.keys() == {"schema", "payload"}


def _unwrap(event: Any, headers: Mapping[str, bytes], inner: Inner) -> Unwrapped:
    if event["payload"] is None:
        raise Ignored("a Kafka Connect tombstone")
    return inner(event["payload"])


ENVELOPE: Final = Envelope("kafka_connect", _recognises, _unwrap)
