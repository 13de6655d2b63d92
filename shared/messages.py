"""What Truelike says to others: the models of the public topics' messages (`Like`, which it is told, is in
shared/events.py). Readers ignore fields that they do not know: a version of a topic may get more.

The detector and the predictor write them without these models, for speed; a test holds the two together.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, Json, WithJsonSchema

from shared.labels import Label

Ms = Annotated[int, Field(ge=0, description="Event time, ms since the epoch")]
Rfc3339 = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Probability = Annotated[float, Field(ge=0, le=1)]


class Evidence(BaseModel):
    """One signal of a verdict."""

    signal: Literal["rate", "lockstep", "declared_agent"]
    value: Annotated[float, Field(description="What was seen: likes in the window; targets met on; 1")]
    baseline: Annotated[float, Field(description="What it is compared with")]
    log_odds: Annotated[float, Field(description="How much it says against a person (natural logarithm)")]
    points_at: Annotated[dict[str, list[str]], Field(description="Ids of `peers` and `targets`, at most 20 each")]
    sentence: Annotated[str, Field(description="The same, for people to read")]


class Verdict(BaseModel):
    """What was seen of an actor in a window of event time. A later revision replaces an earlier one."""

    verdict_id: Annotated[str, Field(description="actor_id@window_start")]
    actor_id: str
    window_start: Ms
    window_end: Ms
    label: Label
    human_probability: Probability
    likes: Annotated[int, Field(ge=1, description="Likes in the window")]
    revision: Annotated[int, Field(ge=1, description="Grows whenever the verdict changes")]
    evidence: list[Evidence]


class Campaign(BaseModel):
    """Actors in lockstep. A later revision replaces an earlier one."""

    campaign_id: str
    actors: Annotated[list[str], Field(description="The first 50 by name")]
    actor_count: Annotated[int, Field(ge=2)]
    targets: Annotated[list[str], Field(description="The first 50 by name")]
    target_count: Annotated[int, Field(ge=0, description="At most 10,000 are counted")]
    first_at: Ms
    last_at: Ms
    weight: Annotated[float, Field(description="Log-odds of its strongest pair")]
    revision: Annotated[int, Field(ge=1)]
    merged_into: Annotated[str | None, Field(description="The campaign that took this one in, which is then gone")]
    sentence: Annotated[str, Field(description="The same, for people to read")]


class PredictedItem(BaseModel):
    """A place of a user's ranking."""

    target_id: str
    probability: Annotated[
        Probability,
        Field(description="How often, so far, the next like was at this place of a ranking as clear as this"),
    ]
    because: Annotated[str | None, Field(description="The own like that speaks most for it; null: it is popular")]


class Preference(BaseModel):
    """What a user is likely to like next, likeliest first."""

    user_id: str
    model: Annotated[str, Field(description="Name and version of the model")]
    as_of: Annotated[Rfc3339, Field(description="Event time that the ranking reflects (RFC 3339)")]
    source_offset: Annotated[int, Field(ge=0, description="Offset in trusted-likes.v1 that it follows from")]
    predictions: list[PredictedItem]


class RejectionHeaders(BaseModel):
    """Kafka headers, beside its own, of a message that did not fit `Like`."""

    errors: Annotated[Json[list[str]], Field(alias="truelike-errors", description='Each "field: reason"')]
    source: Annotated[
        str,
        Field(alias="truelike-source", pattern=r"^.+/\d+/\d+$", description="topic/partition/offset that it came from"),
    ]
    time: Annotated[
        str, Field(alias="truelike-time", description="Its Kafka time (RFC 3339), or the number that is none")
    ]
    truncated: Annotated[
        str | None,
        Field(alias="truelike-truncated", pattern=r"^\d+$", description="Its bytes, where only the first are kept"),
    ] = None
