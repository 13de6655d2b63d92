"""Keys in Redis. All live under one prefix; values are JSON."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "truelike:"
FIGURES: Final = f"{PREFIX}figures"
LABEL_COUNTS: Final = f"{PREFIX}counts"
CAMPAIGNS: Final = f"{PREFIX}campaigns"


def predictions(user_id: str) -> str:
    return f"{PREFIX}user:{user_id}"


def neighbours(item_id: str) -> str:
    return f"{PREFIX}item:{item_id}"


def verdict(actor_id: str) -> str:
    """A hash: verdict_id -> verdict JSON, the newest windows."""
    return f"{PREFIX}actor:{actor_id}"


def target(target_id: str) -> str:
    """A hash: label -> number of likes."""
    return f"{PREFIX}target:{target_id}"


def source(reader: str, topic: str, partition: int) -> str:
    """The offset up to which `reader` has written what follows from a partition."""
    return f"{PREFIX}source:{reader}:{topic}:{partition}"
