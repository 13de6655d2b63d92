"""What does not fit its contract as a message of a topic of rejected ones: unchanged, with the reasons in headers."""

from __future__ import annotations

from typing import Final

import msgspec

from shared.contract.decode import Rejection
from shared.events import rfc3339
from shared.frames import Output
from shared.topics import LIKES_REJECTED

MOST_BYTES: Final = 1 << 20


def to_output(rejection: Rejection, source: str, topic: str = LIKES_REJECTED) -> Output:
    """`source` says where the message was: "likes.v1/PARTITION/OFFSET", "jetstream/CURSOR"."""
    message = rejection.message
    value = message.value or b""
    headers = [
        *((name, value) for name, value in message.headers.items() if not name.startswith("truelike-")),
        ("truelike-errors", msgspec.json.encode(rejection.errors)),
        ("truelike-source", source.encode()),
        ("truelike-time", _sent_at(message.timestamp).encode()),
    ]
    if len(value) > MOST_BYTES:
        # Only where the source was told to take larger ones than ours: the broker would refuse the whole as well.
        headers.append(("truelike-truncated", str(len(value)).encode()))
        value = value[:MOST_BYTES]
    return Output(topic, value, 0, message.key, headers)


def _sent_at(timestamp_ms: int) -> str:
    """RFC 3339, or the number as it is where a producer made up one that is no time."""
    try:
        return rfc3339(timestamp_ms)
    except (ValueError, OverflowError, OSError):
        return str(timestamp_ms)
