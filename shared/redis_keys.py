"""Keys in Redis (docs/redis.md). All live under one prefix."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "truelike:"
FIGURES: Final = f"{PREFIX}figures"
LABEL_COUNTS: Final = f"{PREFIX}counts"
# A sorted set: campaign -> its last_at.
CAMPAIGNS: Final = f"{PREFIX}campaigns-latest"
# A sorted set: start of a window -> the same.
WINDOWS: Final = f"{PREFIX}windows"

# JSON: whose choice the platform's likes were; and a hash: partition -> what that is made of (services/choice).
PLATFORM_CHOICE: Final = f"{PREFIX}platform-choice"
PLATFORM_CHOICE_STATES: Final = f"{PREFIX}platform-choice-states"

# JSON: the loop's figures.
PLATFORM_LOOP: Final = f"{PREFIX}platform-loop"


def charts(period: str, of: str, facet: str, segment: str) -> str:
    """A hash: start of the period, ms -> its chart, JSON."""
    return f"{PREFIX}charts:{period}:{of}:{facet}:{segment}"


def choice_report(user_id: str) -> str:
    """JSON: what foretold a user's latest likes."""
    return f"{PREFIX}choice:{user_id}"


def predictions(user_id: str) -> str:
    """JSON: what a user is likely to like next, and what that follows from."""
    return f"{PREFIX}predictions:{user_id}"


def former_predictions(user_id: str) -> tuple[str, str]:
    """Where they were at first. Nothing writes there any more; who is forgotten is erased there, too."""
    return f"{PREFIX}user:{user_id}", f"{PREFIX}next:{user_id}"


def neighbours(item_id: str) -> str:
    """A sorted set: target -> weight of its pairs with this one."""
    return f"{PREFIX}neighbours:{item_id}"


def trending(language: str = "") -> str:
    """A sorted set: target -> trusted likes a day, of one language or (empty) of all."""
    return f"{PREFIX}trending:{language}"


def forget_report(request_id: str) -> str:
    """A hash: service -> JSON of what it removed."""
    return f"{PREFIX}forget:{request_id}"


def verdict(actor_id: str) -> str:
    """A list of verdicts, JSON, the newest first."""
    return f"{PREFIX}actor:{actor_id}"


def likes_of(actor_id: str) -> str:
    """How many likes of an actor were seen."""
    return f"{PREFIX}likes-of:{actor_id}"


def campaign(campaign_id: str) -> str:
    """A hash: `body`, the campaign as JSON, and `indexes`, the sorted sets that name it."""
    return f"{PREFIX}campaign:{campaign_id}"


def campaigns_of_kind(kind: str) -> str:
    """A sorted set: campaign -> its last_at."""
    return f"{PREFIX}campaigns-of-kind:{kind}"


def campaigns_of_actor(actor_id: str) -> str:
    """The same, of those that list an actor."""
    return f"{PREFIX}campaigns-of-actor:{actor_id}"


def campaigns_of_target(target_id: str) -> str:
    """The same, of those that list a target."""
    return f"{PREFIX}campaigns-of-target:{target_id}"


def window(start_ms: int) -> str:
    """A hash: partition -> JSON of what was judged in a window."""
    return f"{PREFIX}window:{start_ms}"


# A sorted set: start of a period -> the same.
REVIEWABLE_PERIODS: Final = f"{PREFIX}reviewable-periods"


def reviewable(start_ms: int) -> str:
    """A sorted set: an actor who liked in a period -> a hash of the id, the smallest."""
    return f"{PREFIX}reviewable:{start_ms}"


def target(target_id: str) -> str:
    """A hash: label -> number of likes."""
    return f"{PREFIX}target:{target_id}"


def source(reader: str, topic: str, partition: int) -> str:
    """The offset up to which `reader` has written what follows from a partition."""
    return f"{PREFIX}source:{reader}:{topic}:{partition}"


def marks(reader: str, topic: str) -> str:
    """A hash: stage and partition -> the place up to which `reader` has counted what they sent to a topic."""
    return f"{PREFIX}marks:{reader}:{topic}"
