"""Messages of `reviews.v1`: what each holds, or why it does not fit."""

from __future__ import annotations

from typing import Final

from shared.contract.opening import DoesNotFit, event_of, validated
from shared.reviews import Review

MOST_BYTES: Final = 1 << 16


def parse(value: bytes) -> Review:
    """One review as it was posted. Raises DoesNotFit."""
    if len(value) > MOST_BYTES:
        raise DoesNotFit(f"message: has {len(value)} bytes; at most {MOST_BYTES}")
    return validated(Review, event_of(value, {}))


def of_message(key: bytes | None, value: bytes) -> Review:
    """One review as it is in the topic. Raises DoesNotFit, also where the key, by which the topic is compacted, is not
    its actor.
    """
    review = parse(value)
    if key != review.actor_id.encode():
        raise DoesNotFit("key: must be the actor_id, by which a later review replaces this one")
    return review
