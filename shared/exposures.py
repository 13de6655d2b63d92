"""The contract of an exposure (`exposures.v1`): one slate a message, JSON, key = actor_id.

A slate says what a surface put before an actor, what was chosen to be shown and kept back at random (`withheld`), and
how likely that choice was. Nothing about influence can be known without it.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from shared.events import (
    LONGEST_SLATE_ID,
    EpochMs,
    Identifier,
    LanguageTag,
    Propensity,
    Rank,
    with_null,
    without_nulls,
)

ARMS: Final = ("none", "treated", "holdout")
NO_ARM, TREATED, HOLDOUT = range(len(ARMS))
MOST_ITEMS: Final = 200
# Of a policy's name, and of a topic's.
LONGEST_NAME: Final = 128
MOST_CANDIDATES: Final = 2_147_483_647

_Count = Annotated[int, Field(ge=1, le=MOST_CANDIDATES)]
_Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]


def _text(given: Any) -> Any:
    """A whole number stands for its digits, as in an id."""
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


class ShownItem(BaseModel):
    """One place of a slate."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, json_schema_extra=with_null)

    target_id: Identifier
    rank: Rank = Field(description="Place in the slate, from 0")
    propensity: Propensity | None = Field(
        None, description="Probability of this item at this rank, given all that the policy knew"
    )
    creator_id: Identifier | None = None
    content_origin: Literal["unknown", "human", "ai", "mixed"] = "unknown"
    content_language: LanguageTag | None = Field(None, description="BCP 47")
    topic: _Name | None = None

    _null_is_absence = model_validator(mode="before")(without_nulls)


class Exposure(BaseModel):
    """One slate. Unknown fields are kept out, not refused; null is absence."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, json_schema_extra=with_null)

    slate_id: Annotated[
        str,
        BeforeValidator(_text),
        Field(
            min_length=1,
            max_length=LONGEST_SLATE_ID,
            description="Idempotency key: a slate that comes twice counts once",
        ),
        WithJsonSchema(
            {"anyOf": [{"type": "string", "minLength": 1, "maxLength": LONGEST_SLATE_ID}, {"type": "integer"}]}
        ),
    ]
    occurred_at: EpochMs
    actor_id: Identifier = Field(description="Who was shown it")
    surface: Literal["unknown", "organic", "search", "recommended", "autoplay", "assistant"] = "unknown"
    policy_id: _Name = Field("unknown", description="Which model or rule chose")
    arm: Literal["none", "treated", "holdout"] = Field(
        "none", description="Of an experiment that parts users at random"
    )
    items: Annotated[list[ShownItem], Field(max_length=MOST_ITEMS)] = Field([], description="What was shown")
    withheld: Annotated[list[ShownItem], Field(max_length=MOST_ITEMS)] = Field(
        [], description="What the policy had chosen and chance kept back"
    )
    candidates: _Count | None = Field(None, description="How many items there were to choose from")

    _null_is_absence = model_validator(mode="before")(without_nulls)

    @model_validator(mode="after")
    def _holds_something(self) -> Exposure:
        if not self.items and not self.withheld:
            raise ValueError("items: a slate shows or withholds at least one item")
        return self


def highest_in_sample(share: float) -> int:
    """An actor is in a sample of this share of all if the hash of the actor's id is at most this."""
    return min(int(share * 2.0**64), 2**64 - 1)
