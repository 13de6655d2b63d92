"""Events of a source as messages of Truelike's topics. Pure: time comes in as an argument."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shared import rejections
from shared.contract.decode import MOST_BYTES, Message, Rejection, of_event, to_message
from shared.contract.envelopes import Ignored
from shared.contract.opening import DoesNotFit
from shared.frames import Output
from shared.topics import LIKES

NO_HEADERS: Final[Mapping[str, bytes]] = {}


def json_of(value: bytes) -> Any:
    """Raises DoesNotFit."""
    if len(value) > MOST_BYTES:
        raise DoesNotFit(f"message: has {len(value)} bytes; at most {MOST_BYTES}")
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DoesNotFit(f"message: not JSON: {error}") from None


def like(event: Any, now_ms: int, headers: Mapping[str, bytes] = NO_HEADERS) -> Output:
    """The event as a like in its canonical form, keyed by who liked. Raises DoesNotFit, and Ignored where it is about
    something else.
    """
    found = of_event(event, headers, now_ms)
    return Output(LIKES, to_message(found), key=str(found.actor_id).encode())


def rejected(value: bytes, error: DoesNotFit, source: str, now_ms: int) -> Output:
    """The event as it came, for `likes.rejected.v1`."""
    return rejections.to_output(Rejection(Message(value, 0, 0, now_ms, {}), error.errors), source)


def content_id(kind: str, value: bytes) -> str:
    """An event_id for an event that has none: the same content has the same."""
    return f"{kind}/{hashlib.sha256(value).hexdigest()[:32]}"


class Counts:
    """What became of the events that a connector read."""

    def __init__(self) -> None:
        self.counters = dict.fromkeys(("read", "accepted", "rejected", "ignored"), 0)

    def judge(self, value: bytes, source: str, now_ms: int) -> list[Output]:
        """What follows from one event."""
        self.counters["read"] += 1
        try:
            output = like(json_of(value), now_ms)
        except DoesNotFit as error:
            self.counters["rejected"] += 1
            return [rejected(value, error, source, now_ms)]
        except Ignored:
            self.counters["ignored"] += 1
            return []
        self.counters["accepted"] += 1
        return [output]
