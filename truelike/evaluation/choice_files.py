"""A made platform as files: its likes and slates as a platform would log them, and what was planted beside."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np

from services.choice.log import NO_SLATE, NOBODY
from shared.events import SURFACES
from shared.exposures import ARMS
from truelike.evaluation.choice_world import POLICY, Made, World


def likes(made: Made) -> Iterator[dict[str, Any]]:
    """As in likes.v1, in order of time."""
    found = made.log.likes
    for n in range(len(found)):
        yield {
            "event_id": f"e{n}",
            "actor_id": f"{found.actor[n]:x}",
            "target_id": f"{found.target[n]:x}",
            "creator_id": f"{found.creator[n]:x}",
            "occurred_at": int(found.time[n]),
            "surface": SURFACES[found.surface[n]],
            **({"slate_id": f"s{found.slate[n]}"} if found.slate[n] != NO_SLATE else {}),
            **({"topic": f"{found.topic[n]:x}"} if found.topic[n] != NOBODY else {}),
        }


def slates(made: Made) -> Iterator[dict[str, Any]]:
    """As in exposures.v1, in order of time."""
    shown = made.log.shown
    for slate, rows in groupby(range(len(shown)), key=lambda n: int(shown.slate[n])):
        items = list(rows)
        first = items[0]
        yield {
            "slate_id": f"s{slate}",
            "occurred_at": int(shown.time[first]),
            "actor_id": f"{shown.actor[first]:x}",
            "surface": SURFACES[shown.surface[first]],
            "policy_id": POLICY,
            "arm": ARMS[shown.arm[first]],
            "candidates": int(shown.candidates[first]),
            "items": [_item(made, n) for n in items if not shown.withheld[n]],
            "withheld": [_item(made, n) for n in items if shown.withheld[n]],
        }


def _item(made: Made, n: int) -> dict[str, Any]:
    shown = made.log.shown
    item: dict[str, Any] = {
        "target_id": f"{shown.target[n]:x}",
        "rank": int(shown.rank[n]),
        "creator_id": f"{shown.creator[n]:x}",
    }
    return item | ({"propensity": float(shown.propensity[n])} if np.isfinite(shown.propensity[n]) else {})


def truth(world: World, made: Made) -> dict[str, Any]:
    """What the figures must find: figure 4, and figure 5 by rank; and by event the slates that brought likes."""
    theta, brought = world.theta(), np.flatnonzero(made.came_from != NO_SLATE)
    return {
        "caused_share": world.caused_share,
        "liked_if_shown": float(made.if_shown.mean()),
        "liked_if_withheld": float(made.if_withheld.mean()),
        "slot_effect": {str(rank): float(theta[rank] / theta[0]) for rank in range(1, world.size)},
        "came_from": {f"e{n}": f"s{made.came_from[n]}" for n in brought.tolist()},
    }
