"""Every arrow of docs/architecture.md: each topic's name, how it is cut, who it is keyed by, and what it carries.

docs/contracts is made from this list (shared/contracts.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
from pydantic import BaseModel

from shared import schemas
from shared.events import Like
from shared.exposures import Exposure
from shared.messages import Campaign, Chart, ChoiceReport, Preference, RejectionHeaders, Verdict, WindowSummary
from shared.reviews import Review

LIKES: Final = "likes.v1"
LIKES_REJECTED: Final = "likes.rejected.v1"
EXPOSURES: Final = "exposures.v1"
REVIEWS: Final = "reviews.v1"
EXPOSURES_REJECTED: Final = "exposures.rejected.v1"
EXPOSURES_BY_ACTOR: Final = "exposures.by-actor"
FRAMES_BY_ACTOR: Final = "frames.by-actor"
FRAMES_BY_TARGET: Final = "frames.by-target"
EVIDENCE_BY_ACTOR: Final = "evidence.by-actor"
LINKS_BY_GROUP: Final = "links.by-group"
VERDICTS: Final = "verdicts.v1"
CAMPAIGNS: Final = "campaigns.v1"
WINDOW_SUMMARIES: Final = "window-summaries.v1"
TRUSTED_LIKES: Final = "trusted-likes.v1"
PREFERENCES: Final = "preferences.v1"
FORECASTS: Final = "forecasts.v1"
CHOICES: Final = "choices.v1"
CHOICE_REPORTS: Final = "choice-reports.v1"
CHARTS: Final = "charts.v1"

# The group that reads likes.v1 and exposures.v1: what it has committed is in frames by actor, in the rejected ones'
# topic, or had come before.
INGEST_GROUP: Final = "truelike-ingest"


@dataclass(frozen=True)
class Json:
    """One JSON object a message. With `tombstones` a message without a value says that the key's is gone."""

    model: type[BaseModel]
    tombstones: bool = False


@dataclass(frozen=True)
class Arrow:
    """One frame a message; schemas by the kind that the frame's header names."""

    kinds: dict[str, pa.Schema]


@dataclass(frozen=True)
class AsItCame:
    """The bytes of a message of ours or anyone's, with these headers."""

    headers: type[BaseModel]


@dataclass(frozen=True)
class Topic:
    """A topic to create. `keyed` topics get the configured number of partitions, the others one. `key` says what
    decides on the partition.
    """

    name: str
    keyed: bool
    summary: str
    content: Json | Arrow | AsItCame
    key: str
    config: dict[str, str]

    @property
    def public(self) -> bool:
        """Others may rely on what has a version; the rest is between Truelike's own stages."""
        return self.name.rpartition(".")[2].startswith("v")


DAY_MS: Final = 24 * 3600 * 1000


def _retained(days: int) -> dict[str, str]:
    return {"retention.ms": str(days * DAY_MS)}


TOPICS: Final = (
    # The broker's clock says when a like came: a producer's could lie, and with it the bound on event time. And a
    # message that is refused must still fit into likes.rejected.v1, with the reasons.
    Topic(
        LIKES,
        True,
        "Likes as a platform tells of them; also inside CloudEvents or ActivityStreams",
        Json(Like),
        "actor_id",
        {**_retained(7), "message.timestamp.type": "LogAppendTime", "max.message.bytes": str(1 << 20)},
    ),
    Topic(
        LIKES_REJECTED,
        False,
        "Messages of likes.v1 that did not fit, with the reasons",
        AsItCame(RejectionHeaders),
        "as it came",
        {**_retained(30), "max.message.bytes": str(2 << 20)},
    ),
    Topic(
        EXPOSURES,
        True,
        "Slates: what was put before whom, and what chance kept back",
        Json(Exposure),
        "actor_id",
        {**_retained(7), "message.timestamp.type": "LogAppendTime", "max.message.bytes": str(1 << 20)},
    ),
    Topic(
        EXPOSURES_REJECTED,
        False,
        "Messages of exposures.v1 that did not fit, with the reasons",
        AsItCame(RejectionHeaders),
        "as it came",
        {**_retained(30), "max.message.bytes": str(2 << 20)},
    ),
    # They are few, and of one partition all readers agree which of an actor's is the newest, whatever hashed its key.
    Topic(
        REVIEWS,
        False,
        "What reviewers found actors to be: people or bots",
        Json(Review, tombstones=True),
        "actor_id",
        {"cleanup.policy": "compact"},
    ),
    Topic(
        EXPOSURES_BY_ACTOR,
        True,
        "Items of slates that fit, each slate for the first time",
        Arrow({"exposures": schemas.EXPOSED_ITEMS}),
        "hash of actor_id",
        _retained(2),
    ),
    Topic(
        FRAMES_BY_ACTOR,
        True,
        "Likes that fit, each for the first time",
        Arrow({"likes": schemas.LIKES, schemas.FORGET: schemas.FORGET_REQUESTS}),
        "hash of actor_id",
        _retained(2),
    ),
    Topic(
        FRAMES_BY_TARGET,
        True,
        "Likes, slim, by what brings them together",
        Arrow({"likes": schemas.KEYED_LIKES, schemas.FORGET: schemas.FORGET_REQUESTS}),
        "hash of target_id, of origin_hash, or of the pair of actor_id and creator_id",
        _retained(2),
    ),
    Topic(
        EVIDENCE_BY_ACTOR,
        True,
        "Likes, what signals found, and who met whom",
        Arrow(
            {
                "likes": schemas.JUDGED_LIKES,
                "findings": schemas.FINDINGS,
                "meetings": schemas.MEETINGS,
                schemas.FORGET: schemas.FORGET_REQUESTS,
            }
        ),
        "hash of actor_id",
        _retained(2),
    ),
    # One partition: only those who stand out come here, and a group has no key before it is known.
    Topic(
        LINKS_BY_GROUP,
        False,
        "Actors' parts in campaigns",
        Arrow({"links": schemas.LINKS, schemas.FORGET: schemas.FORGET_REQUESTS}),
        "none",
        _retained(2),
    ),
    Topic(
        VERDICTS,
        True,
        "Verdicts on actors whom something speaks against, a window each, and what overturns them",
        Json(Verdict),
        "actor_id",
        _retained(30),
    ),
    Topic(
        WINDOW_SUMMARIES,
        False,
        "How many were judged in each window, by label",
        Json(WindowSummary),
        "window_start",
        _retained(30),
    ),
    Topic(CAMPAIGNS, False, "Campaigns", Json(Campaign, tombstones=True), "campaign_id", {"cleanup.policy": "compact"}),
    # One partition: the order in which likes are learnt is part of the result (docs/decisions/0006).
    Topic(
        TRUSTED_LIKES,
        False,
        "Likes with their weights, corrections of them, and requests to forget users",
        Arrow({"trusted-likes": schemas.TRUSTED_LIKES, schemas.FORGET: schemas.FORGET_REQUESTS}),
        "none",
        _retained(30),
    ),
    Topic(
        PREFERENCES,
        True,
        "Users' predictions",
        Json(Preference, tombstones=True),
        "user_id",
        {"cleanup.policy": "compact"},
    ),
    Topic(
        FORECASTS,
        True,
        "What was forecast of each trusted like before it came, corrections of likes, and requests to forget users",
        Arrow({"forecasts": schemas.FORECASTS, schemas.FORGET: schemas.FORGET_REQUESTS}),
        "hash of actor_id, or of a buy's principal_id",
        _retained(7),
    ),
    Topic(
        CHOICES,
        True,
        "Likes in choice bits: what foretold them, and whether they were anticipated, shown or withheld",
        Arrow({"choices": schemas.CHOICES}),
        "hash of actor_id",
        _retained(30),
    ),
    Topic(
        CHOICE_REPORTS,
        True,
        "Users' own choice reports",
        Json(ChoiceReport, tombstones=True),
        "user_id",
        {"cleanup.policy": "compact"},
    ),
    Topic(
        CHARTS,
        False,
        "What was liked most in each hour, day and week: by all likes, and by people's",
        Json(Chart, tombstones=True),
        "chart_id",
        # Of a chart the newest; of charts those of a season: hours go on without end.
        {**_retained(100), "cleanup.policy": "compact,delete"},
    ),
)

# Topics of one partition.
SINGLE: Final = frozenset(topic.name for topic in TOPICS if not topic.keyed)
