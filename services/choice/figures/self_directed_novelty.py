"""Figure 3: likes of somebody new whom nobody had put before the person: found by oneself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from services.choice.log import I64, NOBODY, Bools, Log
from services.choice.moments import Moments
from shared.events import SURFACES
from shared.hashing import U64, mix
from shared.measures.cells import Cells
from shared.measures.figure import Figure, not_identified, percent
from shared.measures.measure import Measure
from shared.measures.units import Units

NAME: Final = "self_directed_novelty"
MEMORY_MS: Final = 28 * 86_400_000
OWN: Final = [SURFACES.index("organic"), SURFACES.index("search")]
# Columns: weight of all likes, of those that are such, and of those that could be.
WHOLE, FOUND, UNDECIDED = range(3)


def state(log: Log) -> Cells:
    """Of all likes: what was shown to and liked by a person before is in the same log."""
    likes, shown = log.likes, log.shown
    known = likes.creator != NOBODY
    pair = mix(likes.actor, likes.creator)
    new = known & ~_within(pair, likes.time, pair[known], likes.time[known])
    named = shown.creator != NOBODY
    seen = ~shown.withheld & named
    new &= ~_within(pair, likes.time, mix(shown.actor, shown.creator)[seen], shown.time[seen])
    # Of whom something came before is not known there: it may have been the same.
    unnamed = ~shown.withheld & ~named
    nameless = _within(likes.actor, likes.time, likes.actor[~known], likes.time[~known])
    nameless |= _within(likes.actor, likes.time, shown.actor[unnamed], shown.time[unnamed])
    own = np.isin(likes.surface, OWN)
    found = new & own & ~nameless
    undecided = ~known | (new & ((likes.surface == SURFACES.index("unknown")) | (own & nameless)))
    weight = likes.weight
    return Cells(len(shown), {(): Units(likes.actor).sums(weight, weight * found, weight * undecided)})


def figures(state: Cells) -> Iterator[Figure]:
    """Organic or search likes of a creator who was neither shown to nor liked by the person in the 28 days before,
    over all likes. Where nothing is known of what was shown, or of a like's surface or creator, it is a bound.
    """
    sums = state.sums[()]
    if sums.totals[WHOLE] == 0:
        yield not_identified(NAME, {}, 0, "there are no likes")
        return
    found, unknown, n = sums.ratio((FOUND, WHOLE)), sums.ratio((UNDECIDED, WHOLE)), sums.rows
    about: dict[str, Any] = {}
    if not state.exposures:
        said = f"At most {percent(found + unknown)} of likes went to somebody new whom the person found by itself."
        more = {"bound": "no exposures"}
        yield Figure(NAME, about, n, said, None, 0.0, found + unknown, 1.0, unknown, more=more)
        return
    bounds = percent(found) if unknown == 0 else f"Between {percent(found)} and {percent(found + unknown)}"
    said = f"{bounds} of likes went to somebody new whom the person found by itself."
    yield Figure(NAME, about, n, said, found, found, found + unknown, 1.0, unknown)


def _within(key: U64, time: I64, other_key: U64, other_time: I64) -> Bools:
    """Whether the same key is among the others, earlier, and at most MEMORY_MS so. Shape (n,)."""
    first, stop = Moments(other_key, other_time).between(key, time - MEMORY_MS, time)
    return first < stop


measure: Final = Measure(NAME, Cells, state, figures)
