"""The simulated world's likes as events of `likes.v1`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from services.simulator.likes import I64, LATER, UNKNOWN, Likes, account
from services.simulator.people import LANGUAGES
from services.simulator.world import AGENT_KIND, KINDS, World
from shared.events import SURFACES

ORIGINS: Final = ("human", "ai", "mixed")
# Of things, the share that is of an origin up to here, of 256.
_UP_TO: Final = np.array([154, 230])
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
MOST_RANKS: Final = 30


def name_of(code: int) -> str:
    """The id of an actor."""
    if code < LATER:
        return f"u{code}"
    kind, campaign, member = account(code)
    return f"{KINDS[kind]}{campaign}-{member}" if campaign else f"{KINDS[kind]}{member}"


def names_of(actors: I64) -> list[str]:
    return [f"u{code}" if code < LATER else name_of(code) for code in actors.tolist()]


def targets_of(targets: I64) -> list[str]:
    """Ids of things: i for those of the catalogue, p for what was published since."""
    return [f"i{code}" if code < LATER else f"p{code - LATER}" for code in targets.tolist()]


def slate_id(seed: int, number: int) -> str:
    return f"{seed}-{number}"


def events(world: World, likes: Likes, first_number: int, first_slate: int = 0) -> list[dict[str, Any]]:
    """In the same order; event ids are numbered from `first_number` on, and slates' from `first_slate`."""
    spread = likes.targets.astype(np.uint64) * _SPREAD >> np.uint64(56)
    origins = np.searchsorted(_UP_TO, spread.astype(np.int64), "right").tolist()
    mixed = (likes.actors.astype(np.uint64) * _SPREAD ^ likes.targets.astype(np.uint64)) * _SPREAD >> np.uint64(32)
    rows = zip(
        likes.times_ms.tolist(),
        names_of(likes.actors),
        targets_of(likes.targets),
        names_of(likes.creators),
        likes.kinds.tolist(),
        likes.created_ms.tolist(),
        likes.surfaces.tolist(),
        (mixed % np.uint64(MOST_RANKS)).tolist(),
        _languages(world, likes),
        origins,
        likes.slates.tolist(),
        strict=True,
    )
    seed = world.settings.seed
    found = []
    for number, (time, actor, target, creator, kind, created, surface, rank, language, origin, slate) in enumerate(
        rows, first_number
    ):
        event = {
            "event_id": f"{seed}-{number}",
            "occurred_at": time,
            "actor_id": actor,
            "target_id": target,
            "creator_id": creator,
            "content_origin": ORIGINS[origin],
            "surface": SURFACES[surface],
            "rank": rank,
        }
        if created != UNKNOWN:
            event["actor_created_at"] = created
        if language >= 0:
            event["actor_locale"] = LANGUAGES[language]
        if slate != UNKNOWN:
            event["slate_id"] = slate_id(seed, first_slate + slate)
        if kind == AGENT_KIND:
            event["actor_kind"] = "agent"
        found.append(event)
    return found


def _languages(world: World, likes: Likes) -> list[int]:
    """Of people, places in LANGUAGES; -1 of others."""
    people = world.scene.people
    is_person = likes.actors < people.count
    return np.where(is_person, people.place[np.where(is_person, likes.actors, 0)], -1).tolist()
