"""Figure 3: likes of somebody new whom nobody had put before the person: found by oneself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from services.choice.figure import Figure, not_identified, percent
from services.choice.log import I64, NOBODY, Bools, Log
from services.choice.moments import Moments
from shared.events import SURFACES
from shared.hashing import U64, mix

NAME = "self_directed_novelty"
MEMORY_MS = 28 * 86_400_000
OWN = [SURFACES.index("organic"), SURFACES.index("search")]


def measure(log: Log) -> Iterator[Figure]:
    """Organic or search likes of a creator who was neither shown to nor liked by the person in the 28 days before,
    over all likes. Where nothing is known of what was shown, or of a like's surface or creator, it is a bound.
    """
    likes, shown = log.likes, log.shown
    whole = float(likes.weight.sum())
    if whole == 0:
        yield not_identified(NAME, {}, 0, "there are no likes")
        return
    known = likes.creator != NOBODY
    pair = mix(likes.actor, likes.creator)
    new = known & ~_within(pair, likes.time, pair[known], likes.time[known])
    seen = ~shown.withheld & (shown.creator != NOBODY)
    new &= ~_within(pair, likes.time, mix(shown.actor, shown.creator)[seen], shown.time[seen])
    found = float(likes.weight[new & np.isin(likes.surface, OWN)].sum()) / whole
    undecided = ~known | (new & (likes.surface == SURFACES.index("unknown")))
    unknown = float(likes.weight[undecided].sum()) / whole
    about: dict[str, Any] = {}
    if not len(shown):
        said = f"At most {percent(found + unknown)} of likes went to somebody new whom the person found by itself."
        yield Figure(
            NAME, about, len(likes), said, None, 0.0, found + unknown, 1.0, unknown, more={"bound": "no exposures"}
        )
        return
    bounds = percent(found) if unknown == 0 else f"Between {percent(found)} and {percent(found + unknown)}"
    said = f"{bounds} of likes went to somebody new whom the person found by itself."
    yield Figure(NAME, about, len(likes), said, found, found, found + unknown, 1.0, unknown)


def _within(pair: U64, time: I64, other_pair: U64, other_time: I64) -> Bools:
    """Whether the same pair is among the others, earlier, and at most MEMORY_MS so. Shape (n,)."""
    first, stop = Moments(other_pair, other_time).between(pair, time - MEMORY_MS, time)
    return first < stop
