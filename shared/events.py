"""The contract of a Like (`likes.v1`): one JSON event a message, key = actor_id.

`Like` has the last word on what fits. The codes below are how the enumerated fields travel inside frames.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

ACTIONS: Final = ("like", "unlike", "share", "buy")
ACTOR_KINDS: Final = ("unknown", "human", "agent")
CONTENT_ORIGINS: Final = ("unknown", "human", "ai", "mixed")
SURFACES: Final = ("unknown", "organic", "search", "recommended", "autoplay", "assistant")

UNLIKE: Final = ACTIONS.index("unlike")
AGENT: Final = ACTOR_KINDS.index("agent")

LATEST_MS: Final = 7_258_118_400_000  # 2200-01-01; beyond it a number is not milliseconds since the epoch


def epoch_ms(value: Any) -> int:
    """Milliseconds since the epoch from RFC 3339 text with a zone, or from an integer of that unit.

    Raises ValueError with the reason, as pydantic expects of a validator.
    """
    if type(value) is int:
        ms = value
    elif isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"not an RFC 3339 time: {value[:40]!r}") from None
        if moment.tzinfo is None:
            raise ValueError("a time needs a zone: write 2026-01-31T12:00:00Z")
        ms = round(moment.timestamp() * 1000)
    else:
        raise ValueError("expected RFC 3339 text or integer milliseconds since the epoch")
    if not 0 <= ms < LATEST_MS:
        raise ValueError("a time must lie between 1970 and 2200, in milliseconds")
    return ms


def rfc3339(ms: int) -> str:
    """RFC 3339 text, UTC, with milliseconds where there are any."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds" if ms % 1000 else "seconds").replace("+00:00", "Z")


EpochMs = Annotated[
    int,
    BeforeValidator(epoch_ms),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "integer", "minimum": 0, "exclusiveMaximum": LATEST_MS},
            ],
            "description": "RFC 3339 with a zone, or ms since the epoch",
        }
    ),
]
Identifier = Annotated[str, Field(min_length=1, max_length=128)]
LanguageTag = Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{1,8}([-_][A-Za-z0-9]{1,8})*$")]


class Like(BaseModel):
    """One like event. Unknown fields are kept out, not refused."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    event_id: Annotated[str, Field(min_length=1, max_length=64)]
    occurred_at: EpochMs
    actor_id: Identifier
    target_id: Identifier
    action: Literal["like", "unlike", "share", "buy"] = "like"
    creator_id: Identifier | None = None
    actor_kind: Literal["unknown", "human", "agent"] = "unknown"
    actor_created_at: EpochMs | None = None
    content_origin: Literal["unknown", "human", "ai", "mixed"] = "unknown"
    surface: Literal["unknown", "organic", "search", "recommended", "autoplay", "assistant"] = "unknown"
    rank: Annotated[int, Field(ge=0, le=2_147_483_647)] | None = None
    propensity: Annotated[float, Field(gt=0, le=1)] | None = None
    actor_locale: LanguageTag | None = None
    content_language: LanguageTag | None = None
    origin_hash: Annotated[str, Field(max_length=64)] | None = None
