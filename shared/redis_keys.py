"""Keys in Redis (docs/redis.md). All live under one prefix."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "truelike:"
FIGURES: Final = f"{PREFIX}figures"
LABEL_COUNTS: Final = f"{PREFIX}counts"
CAMPAIGNS: Final = f"{PREFIX}campaigns"


def user(user_id: str) -> str:
    """A hash: what a user's predictions follow from."""
    return f"{PREFIX}user:{user_id}"


def next_likes(user_id: str) -> str:
    """A sorted set: target -> probability that it is the user's next like."""
    return f"{PREFIX}next:{user_id}"


def neighbours(item_id: str) -> str:
    """A sorted set: target -> weight of its pairs with this one."""
    return f"{PREFIX}neighbours:{item_id}"


def trending(language: str = "") -> str:
    """A sorted set: target -> trusted likes a day, of one language or (empty) of all."""
    return f"{PREFIX}trending:{language}"


def forget_report(request_id: str) -> str:
    """A hash: service -> JSON of what it removed."""
    return f"{PREFIX}forget:{request_id}"


def verdict(actor_id: str) -> str:
    """A list of verdicts, JSON, the newest first."""
    return f"{PREFIX}actor:{actor_id}"


def target(target_id: str) -> str:
    """A hash: label -> number of likes."""
    return f"{PREFIX}target:{target_id}"


def source(reader: str, topic: str, partition: int) -> str:
    """The offset up to which `reader` has written what follows from a partition."""
    return f"{PREFIX}source:{reader}:{topic}:{partition}"


def marks(reader: str, topic: str) -> str:
    """A hash: stage and partition -> the place up to which `reader` has counted what they sent to a topic."""
    return f"{PREFIX}marks:{reader}:{topic}"
