"""What Truelike says to others: the models of the public topics' messages (`Like`, which it is told, is in
shared/events.py). Readers ignore fields that they do not know: a version of a topic may get more.

The detector and the predictor write them without these models, for speed; a test holds the two together.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, Json, WithJsonSchema

from shared.labels import Label

Ms = Annotated[int, Field(ge=0, description="Event time, ms since the epoch")]
Rfc3339 = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Probability = Annotated[float, Field(ge=0, le=1)]


class Evidence(BaseModel):
    """One signal of a verdict."""

    signal: Annotated[str, Field(description="Which signal saw it (docs/detector.md), or declared_agent")]
    value: Annotated[float, Field(description="What was seen, in the signal's own unit")]
    baseline: Annotated[float, Field(description="What it is compared with, in the same unit")]
    strength: Annotated[float, Field(ge=0, description="The signal's score over its bar: it speaks from 1 on")]
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


CampaignKind = Literal["lockstep", "crowd", "ring", "flood"]
CAMPAIGN_KINDS: Final[tuple[CampaignKind, ...]] = get_args(CampaignKind)


class Campaign(BaseModel):
    """Likes that were given together, or by one actor as only a machine would. A later revision replaces an earlier
    one.
    """

    campaign_id: Annotated[str, Field(description="Stays while a campaign grows; names no one")]
    kind: CampaignKind
    scale_seconds: Annotated[int, Field(ge=1, description="Within how many seconds its actors liked the same things")]
    actors: Annotated[list[str], Field(description="The first 50 by name")]
    actor_count: Annotated[int, Field(ge=1)]
    targets: Annotated[list[str], Field(description="The first 50 by name")]
    target_count: Annotated[int, Field(ge=0, description="At most 10,000 are counted")]
    creators: Annotated[list[str], Field(description="Creators of its targets, where known; the first 50 by name")]
    creator_count: Annotated[int, Field(ge=0)]
    first_at: Ms
    last_at: Ms
    likes: Annotated[int, Field(ge=0, description="Likes that its actors gave in it")]
    weight: Annotated[float, Field(ge=0, description="What these likes count for now, together")]
    evidence: Annotated[list[str], Field(description="Sentences for people to read, the strongest first")]
    revision: Annotated[int, Field(ge=1)]
    merged_into: Annotated[str | None, Field(description="The campaign that took this one in, which is then gone")]
    expired: Annotated[bool, Field(description="Nothing of it is left within the horizon: it is gone")]
    withdrawn: Annotated[bool, Field(description="What it was made of did not stand: it is gone")]


class WindowSummary(BaseModel):
    """What was judged in a window of event time in one partition. Who is in no verdict was judged human. A later
    revision replaces an earlier one.
    """

    window_start: Ms
    window_end: Ms
    partition: Annotated[int, Field(ge=0)]
    actors: Annotated[dict[Label, int], Field(description="Actors who liked in the window, by label")]
    likes: Annotated[dict[Label, int], Field(description="Their likes, by label")]
    revision: Annotated[int, Field(ge=1)]


class PredictedItem(BaseModel):
    """A place of a user's ranking."""

    target_id: str
    probability: Annotated[
        Probability,
        Field(description="How often, so far, the next like was at this place of a ranking as clear as this"),
    ]
    because: Annotated[str | None, Field(description="The own like that speaks most for it; null: it is popular")]


class Preference(BaseModel):
    """What a user is likely to like next, likeliest first but for what a language floor brings up."""

    user_id: str
    model: Annotated[str, Field(description="Name and version of the model")]
    as_of: Annotated[Rfc3339, Field(description="Event time that the ranking reflects (RFC 3339)")]
    source_offset: Annotated[int, Field(ge=0, description="Offset in trusted-likes.v1 that it follows from")]
    predictions: list[PredictedItem]


Bits = Annotated[float | None, Field(description="A mean over the likes that were forecast; null: not identified")]


class ChoiceReport(BaseModel):
    """What foretold a user's latest likes (docs/choice.md): for that user to read."""

    user_id: str
    as_of: Annotated[Rfc3339, Field(description="Event time of the latest like that it reflects (RFC 3339)")]
    source_offset: Annotated[int, Field(ge=0, description="Offset in trusted-likes.v1 that it follows from")]
    model: Annotated[str, Field(description="Name and version of the model that forecast the likes")]
    likes: Annotated[int, Field(ge=0, description="Likes that stand, of those that are kept")]
    forecast: Annotated[int, Field(ge=0, le=120, description="The latest of them that were forecast: the report's own")]
    identified: Annotated[bool, Field(description="Whether these are enough to say what foretold them")]
    popular: Annotated[Bits, Field(description="What a like held, in bits, given what all like")]
    history: Annotated[Bits, Field(description="H: what of it the user's own past foretold")]
    shown: Annotated[Bits, Field(description="E: what was put before the user foretold of the rest")]
    shown_first: Annotated[Bits, Field(description="E where it comes before the own past: the other end of the range")]
    rest: Annotated[Bits, Field(description="R: what neither foretold")]
    put_before: Annotated[
        int | None, Field(description="Likes of what was in a slate of the day before; null: unknown")
    ]
    exposures_known: Annotated[bool, Field(description="Whether it is known what was put before the user")]
    sentence: Annotated[str, Field(description="The same, for people to read")]


class ChoiceFigure(BaseModel):
    """One of the figures of docs/choice.md. What else it says (policy, rank, `bits_of`, ...) is the figure's own."""

    model_config = ConfigDict(extra="allow")

    figure: str
    identified: bool
    value: float | None
    low: Annotated[float | None, Field(description="Holds at every look at `level`; at level 1, a bound")]
    high: float | None
    level: Probability
    n: Annotated[int, Field(ge=0)]
    unknown_share: Probability
    first_at: Ms
    last_at: Ms
    why: Annotated[str | None, Field(description="Why it is not identified")]
    sentence: Annotated[str, Field(description="The same, for people to read")]


class PlatformChoice(BaseModel):
    """Whose choice the platform's likes were, of groups only."""

    as_of: Annotated[Rfc3339, Field(description="Event time of the latest like or slate that it reflects (RFC 3339)")]
    model: Annotated[str | None, Field(description="Name and version of the model that forecast the likes")]
    attribution_hours: Annotated[
        float, Field(description="What a slate is said to have caused may come this much later")
    ]
    exposure_sample: Annotated[float, Field(gt=0, le=1, description="Share of the actors whose slates were taken in")]
    partitions: Annotated[int, Field(ge=1, description="Of how many partitions it is")]
    figures: list[ChoiceFigure]


ChartPeriod = Literal["hour", "day", "week"]
ChartOf = Literal["target", "creator"]
ChartFacet = Literal["all", "language", "topic"]


class ChartEntry(BaseModel):
    """A target or a creator in a chart."""

    id: str
    rank: Annotated[int, Field(ge=1, description="By all likes; who has as many has the same")]
    human_rank: Annotated[int, Field(ge=1, description="By what people gave")]
    moved: Annotated[int, Field(description="How many places better it is among people")]
    likes: Annotated[int, Field(ge=0)]
    human_weight: Annotated[float, Field(ge=0, description="Likes, each by the probability that a person gave it")]
    human_ranks: Annotated[
        tuple[int, int | None],
        Field(description="First and last that it can have, at `level` for all entries at once; null: any below"),
    ]
    from_machines: Annotated[Probability, Field(description="Share of its likes that bots and agents gave")]
    origins: Annotated[dict[str, int], Field(description="Likes by what their content was declared to be")]
    missed: Annotated[int, Field(ge=0, description="How many likes more it may have had")]


class RankOverlap(BaseModel):
    """Rank-biased overlap of the two rankings (Webber, Moffat and Zobel 2010, p = .9)."""

    least: Annotated[Probability, Field(description="If what comes below had nothing in common")]
    most: Annotated[Probability, Field(description="If what comes below were the same")]
    extrapolated: Annotated[Probability, Field(description="If it goes on as seen")]


class AiMade(BaseModel):
    """A share that is AI-made, from `low` if nothing of unknown origin were to `high` if all of it were."""

    low: Probability
    high: Probability
    mixed: Probability
    unknown: Probability


class Chart(BaseModel):
    """What was liked most in an hour, a day or a week: by all likes, and by people's. A later one replaces an earlier
    one.
    """

    chart_id: Annotated[str, Field(description="period/name/of, and of a part facet/segment")]
    as_of: Annotated[Rfc3339, Field(description="Event time of the latest like that it reflects (RFC 3339)")]
    source_offset: Annotated[int, Field(ge=0, description="Offset in trusted-likes.v1 that it follows from")]
    revision: Annotated[
        int, Field(ge=0, description="Grows where likes were corrected or taken back after it was said")
    ]
    period: ChartPeriod
    name: Annotated[str, Field(description="2026-01-05T13, 2026-01-05 or 2026-W02, UTC (ISO 8601)")]
    first_at: Rfc3339
    ends_at: Annotated[Rfc3339, Field(description="The first moment after it")]
    of: ChartOf
    facet: ChartFacet
    segment: Annotated[str, Field(description="Which language or topic; empty of all")]
    level: Probability
    size: Annotated[int, Field(ge=1, description="Places of either ranking that are listed")]
    n: Annotated[int, Field(ge=0, description="Likes")]
    human_weight: Annotated[float, Field(ge=0, description="The same by the probability that a person gave each")]
    entries_in_all: Annotated[int, Field(ge=0)]
    entries: Annotated[list[ChartEntry], Field(description="The first of either ranking, by rank")]
    overlap: RankOverlap
    tau_b: Annotated[float | None, Field(ge=-1, le=1, description="Kendall's, of what is in both; null: too little is")]
    slots_changed: Annotated[int, Field(ge=0, description="Of the first `size`: how many people's chart does not have")]
    ai_made: Annotated[AiMade | None, Field(description="Of likes")]
    human_ai_made: Annotated[AiMade | None, Field(description="Of what people gave")]
    ai_liked: Annotated[float | None, Field(ge=0, le=1, description="Share of likes that bots and agents gave")]
    not_human: Annotated[float | None, Field(ge=0, le=1, description="1 less the mean probability of a person")]
    exact: Annotated[bool, Field(description="Nothing was dropped")]
    error: Annotated[int, Field(ge=0, description="What is not in the chart had no more likes than this")]
    top_is_sure: Annotated[
        bool, Field(description="Whether the first places would be the same had nothing been dropped")
    ]


class LoopFigure(ChoiceFigure):
    """One of the figures of docs/loop.md."""


class PlatformLoop(BaseModel):
    """What machines like of what machines made, and what a model that learns from it learns of."""

    as_of: Annotated[Rfc3339, Field(description="Event time of the latest like that it reflects (RFC 3339)")]
    days: Annotated[int, Field(ge=1, description="Of so many days of event time at most")]
    figures: list[LoopFigure]


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
