"""The contract of a Like (`likes.v1`): one JSON event a message, key = actor_id.

`Like` has the last word on what fits. The codes below are how the enumerated fields travel inside frames.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from shared.contract.identifiers import MOST_BYTES, text_of
from shared.contract.times import epoch_ms

ACTIONS: Final = ("like", "unlike", "share", "buy")
ACTOR_KINDS: Final = ("unknown", "human", "agent")
CONTENT_ORIGINS: Final = ("unknown", "human", "ai", "mixed")
SURFACES: Final = ("unknown", "organic", "search", "recommended", "autoplay", "assistant")
# Of a buy: docs/buy-it.md.
SIGNATURES: Final = ("none", "invalid", "valid")
MANDATES: Final = ("none", "standing", "cart")
USER_PRESENT: Final = ("unknown", "yes", "no")

UNLIKE: Final = ACTIONS.index("unlike")
BUY: Final = ACTIONS.index("buy")
AGENT: Final = ACTOR_KINDS.index("agent")


def rfc3339(ms: int) -> str:
    """RFC 3339 text, UTC, with milliseconds where there are any."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds" if ms % 1000 else "seconds").replace("+00:00", "Z")


def _number(value: Any) -> Any:
    """A number that is written as text, as columns of a CSV file are, is a number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise ValueError(f"{value[:40]!r} is no number") from None
    return value


def _whole(value: Any) -> Any:
    """3.0, as a column with gaps has it, is 3."""
    value = _number(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _digits(value: Any) -> Any:
    """A whole number stands for its digits, as in an id."""
    return text_of(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _text_or_number(longest: int) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": longest}
    return {"anyOf": [text, {"type": "number", "multipleOf": 1}]}


# The schemas below accept at least what the contract does: sizes in bytes, and numbers that count as ids or times only
# at some sizes, cannot be said in JSON Schema.
EpochMs = Annotated[
    int,
    BeforeValidator(epoch_ms),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "minLength": 9}, {"type": "number", "minimum": 100_000_000}],
            "description": "RFC 3339 with a zone, or a number since 1970 in seconds, ms, µs or ns, told apart by size",
        }
    ),
]
Identifier = Annotated[
    str,
    BeforeValidator(text_of),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "minLength": 1, "maxLength": MOST_BYTES}, {"type": "number", "multipleOf": 1}],
            "description": f"Text of up to {MOST_BYTES} bytes; a whole number stands for its digits",
        }
    ),
]
LANGUAGE_TAG: Final = "[A-Za-z]{1,8}([-_][A-Za-z0-9]{1,8})*"
LONGEST_TAG: Final = 35
LONGEST_HASH: Final = 64
LONGEST_SLATE_ID: Final = 64
LONGEST_TOPIC: Final = 64
LONGEST_AGENT_KEY: Final = 256
HIGHEST_RANK: Final = 2_147_483_647

LanguageTag = Annotated[str, Field(max_length=LONGEST_TAG, pattern=f"^{LANGUAGE_TAG}$")]
Rank = Annotated[
    int,
    Field(ge=0, le=HIGHEST_RANK),
    BeforeValidator(_whole),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0, "maximum": HIGHEST_RANK}, {"type": "string"}]}),
]
Propensity = Annotated[
    float,
    Field(gt=0, le=1),
    BeforeValidator(_number),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1}, {"type": "string"}]}),
]

SlateId = Annotated[
    str,
    BeforeValidator(_digits),
    Field(min_length=1, max_length=LONGEST_SLATE_ID),
    WithJsonSchema(_text_or_number(LONGEST_SLATE_ID)),
]
Topic = Annotated[
    str,
    BeforeValidator(_digits),
    Field(min_length=1, max_length=LONGEST_TOPIC),
    WithJsonSchema(_text_or_number(LONGEST_TOPIC)),
]
AgentKey = Annotated[
    str,
    BeforeValidator(_digits),
    Field(min_length=1, max_length=LONGEST_AGENT_KEY),
    WithJsonSchema(_text_or_number(LONGEST_AGENT_KEY)),
]


def without_nulls(event: Any) -> Any:
    """Null is absence."""
    if isinstance(event, dict) and None in event.values():
        return {name: value for name, value in event.items() if value is not None}
    return event


def with_null(schema: dict[str, Any]) -> None:
    """What `without_nulls` allows beyond the fields' types, for the JSON Schema."""
    for name, found in schema["properties"].items():
        if name not in schema["required"] and {"type": "null"} not in found.get("anyOf", ()):
            kept = {key: found.pop(key) for key in ("description", "default", "title") if key in found}
            schema["properties"][name] = {"anyOf": [found, {"type": "null"}], **kept}


def _with_null_and_undoes(schema: dict[str, Any]) -> None:
    """What the validators of `Like` allow beyond its fields' types, for its JSON Schema."""
    for name, found in schema["properties"].items():
        if name not in schema["required"] and "enum" in found:
            found["enum"] = [*found["enum"], None]
            del found["type"]
    undoes = {"required": ["undoes", "action"], "properties": {"action": {"const": "unlike"}}}
    target = {"required": ["target_id"], "properties": {"target_id": {"not": {"type": "null"}}}}
    schema["anyOf"] = [target, undoes]


class Like(BaseModel):
    """One like event. Unknown fields are kept out, not refused; null is absence."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        strict=True,
        json_schema_extra=_with_null_and_undoes,
    )

    event_id: Identifier = Field(description="Idempotency key: the same id and action twice count once")
    occurred_at: EpochMs = Field(
        description="RFC 3339 text, or a number of seconds, ms, µs or ns since 1970 (told apart by size)"
    )
    actor_id: Identifier = Field(description="Who liked: text of up to 512 bytes; an integer stands for its digits")
    target_id: Identifier | None = Field(None, description="What was liked; required unless `undoes` says it")
    action: Literal["like", "unlike", "share", "buy"] = "like"
    undoes: Identifier | None = Field(
        None,
        description="For an unlike that does not name its target: event_id (a URI) of this actor's like, not long ago",
    )
    creator_id: Identifier | None = Field(None, description="Who made the target")
    actor_kind: Literal["unknown", "human", "agent"] = Field("unknown", description="agent: declares itself automated")
    actor_created_at: EpochMs | None = Field(None, description="When the account was made; as occurred_at")
    content_origin: Literal["unknown", "human", "ai", "mixed"] = "unknown"
    surface: Literal["unknown", "organic", "search", "recommended", "autoplay", "assistant"] = Field(
        "unknown", description="What brought the target before the actor"
    )
    rank: Rank | None = Field(None, description="Position shown, from 0")
    propensity: Propensity | None = Field(None, description="Probability that the surface showed it")
    actor_locale: LanguageTag | None = Field(None, description="BCP 47")
    content_language: LanguageTag | None = Field(None, description="BCP 47")
    origin_hash: Annotated[str, Field(max_length=LONGEST_HASH)] | None = Field(
        None, description="Opaque, salted hash of device or network; never an address"
    )
    slate_id: SlateId | None = Field(
        None, description="The slate (exposures.v1) that it came from, where that is known"
    )
    topic: Topic | None = Field(None, description="What the target is about")
    principal_id: Identifier | None = Field(
        None, description="Of a buy: for whom an agent acted, where that is not the actor"
    )
    agent_key: AgentKey | None = Field(
        None, description="Of a buy: key id (thumbprint) of the agent's Web Bot Auth signature"
    )
    signature: Literal["none", "invalid", "valid"] = Field(
        "none", description="Of a buy: what the platform's edge found when it checked the agent's signature"
    )
    mandate: Literal["none", "standing", "cart"] = Field(
        "none", description="Of a buy: what the agent was given: an allowance or intent (standing), or this very cart"
    )
    user_present: Literal["unknown", "yes", "no"] = Field(
        "unknown", description="Of a buy: whether the person was there and confirmed it"
    )

    _null_is_absence = model_validator(mode="before")(without_nulls)

    @model_validator(mode="after")
    def _names_what_was_liked(self) -> Self:
        if self.target_id is None and (self.action != "unlike" or self.undoes is None):
            raise ValueError("target_id: Field required")
        return self
