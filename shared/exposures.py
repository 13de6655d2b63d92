"""The contract of an exposure (`exposures.v1`): one slate a message, JSON, key = actor_id; and slates as columns.

A slate says what a surface put before an actor, what was chosen to be shown and kept back at random (`withheld`), and
how likely that choice was. Nothing about influence can be known without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from shared.events import CONTENT_ORIGINS, SURFACES, EpochMs, Identifier, LanguageTag, Propensity, Rank, without_nulls

ARMS: Final = ("none", "treated", "holdout")
NO_ARM, TREATED, HOLDOUT = range(len(ARMS))
MOST_ITEMS: Final = 200
LONGEST_POLICY: Final = 128
# Where a slate does not say it.
UNKNOWN_COUNT: Final = 0

_Count = Annotated[int, Field(ge=1, le=2_147_483_647)]


def _text(given: Any) -> Any:
    """A whole number stands for its digits, as in an id."""
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


class ShownItem(BaseModel):
    """One place of a slate."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    target_id: Identifier
    rank: Rank = Field(description="Place in the slate, from 0")
    propensity: Propensity | None = Field(
        None, description="Probability of this item at this rank, given all that the policy knew"
    )
    creator_id: Identifier | None = None
    content_origin: Literal["unknown", "human", "ai", "mixed"] = "unknown"
    content_language: LanguageTag | None = Field(None, description="BCP 47")
    topic: Annotated[str, Field(min_length=1, max_length=128)] | None = None

    _null_is_absence = model_validator(mode="before")(without_nulls)


class Exposure(BaseModel):
    """One slate. Unknown fields are kept out, not refused; null is absence."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    slate_id: Annotated[
        str,
        BeforeValidator(_text),
        Field(min_length=1, max_length=64, description="Idempotency key: a slate that comes twice counts once"),
        WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1, "maxLength": 64}, {"type": "integer"}]}),
    ]
    occurred_at: EpochMs
    actor_id: Identifier = Field(description="Who was shown it")
    surface: Literal["unknown", "organic", "search", "recommended", "autoplay", "assistant"] = "unknown"
    policy_id: Annotated[str, Field(min_length=1, max_length=LONGEST_POLICY)] = Field(
        "unknown", description="Which model or rule chose"
    )
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


EXPOSURES: Final = pa.schema(
    [
        # One row an item, shown or withheld; the first six are the slate's.
        ("slate_id", pa.string()),
        ("occurred_at", pa.int64()),
        ("actor_id", pa.string()),
        ("policy_id", pa.string()),
        ("surface", pa.int8()),
        ("arm", pa.int8()),
        ("candidates", pa.int32()),
        ("target_id", pa.string()),
        ("rank", pa.int32()),
        # Null where it was not logged.
        ("propensity", pa.float64()),
        ("creator_id", pa.string()),
        ("content_origin", pa.int8()),
        ("content_language", pa.string()),
        ("topic", pa.string()),
        ("withheld", pa.bool_()),
    ]
)


def to_batch(slates: Sequence[Exposure]) -> pa.RecordBatch:
    """Slates to rows, in order (schema `EXPOSURES`)."""
    counts = [len(slate.items) + len(slate.withheld) for slate in slates]
    items = [item for slate in slates for item in (*slate.items, *slate.withheld)]
    withheld = [flag for s in slates for flag in (*[False] * len(s.items), *[True] * len(s.withheld))]
    of_slate: dict[str, list[Any]] = {
        "slate_id": [s.slate_id for s in slates],
        "occurred_at": [s.occurred_at for s in slates],
        "actor_id": [s.actor_id for s in slates],
        "policy_id": [s.policy_id for s in slates],
        "surface": [SURFACES.index(s.surface) for s in slates],
        "arm": [ARMS.index(s.arm) for s in slates],
        "candidates": [s.candidates or UNKNOWN_COUNT for s in slates],
    }
    of_item: dict[str, list[Any]] = {
        "target_id": [i.target_id for i in items],
        "rank": [i.rank for i in items],
        "propensity": [i.propensity for i in items],
        "creator_id": [i.creator_id for i in items],
        "content_origin": [CONTENT_ORIGINS.index(i.content_origin) for i in items],
        "content_language": [i.content_language for i in items],
        "topic": [i.topic for i in items],
        "withheld": withheld,
    }
    repeated = pa.array(np.repeat(np.arange(len(slates)), counts))
    columns = [
        pa.array(of_slate[f.name], f.type).take(repeated) if f.name in of_slate else pa.array(of_item[f.name], f.type)
        for f in EXPOSURES
    ]
    return pa.RecordBatch.from_arrays(columns, schema=EXPOSURES)
