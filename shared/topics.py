"""Every arrow of docs/architecture.md: each topic's name, how it is cut, and who it is keyed by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LIKES: Final = "likes.v1"
LIKES_REJECTED: Final = "likes.rejected.v1"
FRAMES_BY_ACTOR: Final = "frames.by-actor"
FRAMES_BY_TARGET: Final = "frames.by-target"
EVIDENCE_BY_ACTOR: Final = "evidence.by-actor"
LINKS_BY_GROUP: Final = "links.by-group"
VERDICTS: Final = "verdicts.v1"
CAMPAIGNS: Final = "campaigns.v1"
TRUSTED_LIKES: Final = "trusted-likes.v1"
PREFERENCES: Final = "preferences.v1"

# The group that reads likes.v1: what it has committed is in frames.by-actor, in likes.rejected.v1, or counted twice.
INGEST_GROUP: Final = "truelike-ingest"


@dataclass(frozen=True)
class Topic:
    """A topic to create. `keyed` topics get the configured number of partitions, the others one."""

    name: str
    keyed: bool
    content: str
    key: str
    config: dict[str, str]


DAY_MS: Final = 24 * 3600 * 1000


def _retained(days: int) -> dict[str, str]:
    return {"retention.ms": str(days * DAY_MS)}


TOPICS: Final = (
    # The broker's clock says when a like came: a producer's could lie, and with it the bound on event time. And a
    # message that is refused must still fit into likes.rejected.v1, with the reasons.
    Topic(
        LIKES,
        True,
        "JSON, one like",
        "actor_id",
        {**_retained(7), "message.timestamp.type": "LogAppendTime", "max.message.bytes": str(1 << 20)},
    ),
    Topic(
        LIKES_REJECTED,
        False,
        "the message as it came, reasons in headers",
        "as it came",
        {**_retained(30), "max.message.bytes": str(2 << 20)},
    ),
    Topic(FRAMES_BY_ACTOR, True, "Arrow frame of likes", "hash of actor_id", _retained(2)),
    Topic(FRAMES_BY_TARGET, True, "Arrow frame of likes, slim", "hash of target_id", _retained(2)),
    Topic(EVIDENCE_BY_ACTOR, True, "Arrow frames: likes, rates, meetings", "hash of actor_id", _retained(2)),
    # One partition: only pairs that met repeatedly come here, and a group has no key before it is known.
    Topic(LINKS_BY_GROUP, False, "Arrow frame of repeated pairs", "none", _retained(2)),
    Topic(VERDICTS, True, "JSON, one verdict", "actor_id", _retained(30)),
    Topic(CAMPAIGNS, False, "JSON, one campaign", "campaign_id", {"cleanup.policy": "compact"}),
    # One partition: the order in which likes are learnt is part of the result (docs/decisions/0006).
    Topic(TRUSTED_LIKES, False, "Arrow frame of weighted likes", "none", _retained(30)),
    Topic(PREFERENCES, True, "JSON, one user's predictions", "user_id", {"cleanup.policy": "compact"}),
)
