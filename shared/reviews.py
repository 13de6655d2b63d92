"""The contract of a review (`reviews.v1`): what a reviewer found an actor to be, JSON, key = actor_id.

How often people are called bots is known only of actors that were drawn without a look at what they had been called
(docs/loop.md, figure 11). The newest message of an actor is the one that counts.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.events import EpochMs, Identifier, LanguageTag, with_null, without_nulls


class Review(BaseModel):
    """What a reviewer found an actor to be. A later one of the same actor replaces it. Unknown fields are kept out, not
    refused; null is absence.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, json_schema_extra=with_null)

    actor_id: Identifier = Field(description="Who was reviewed")
    found: Literal["person", "bot"] = Field(description="What the reviewer found")
    drawn: Literal["independently", "by verdict", "by appeal"] = Field(
        description="How the actor came to be reviewed; only what was drawn independently of the verdict counts"
    )
    reviewed_at: EpochMs
    reviewer_id: Identifier
    review_id: Identifier | None = Field(None, description="What the platform calls it")
    locale: LanguageTag | None = Field(
        None, description="The actor's, BCP 47; without it the one that most of the actor's likes declare"
    )

    _null_is_absence = model_validator(mode="before")(without_nulls)
