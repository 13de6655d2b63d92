"""Figure 2: what brought before people what they liked. A count, so no chance is in it, but what is unknown is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from services.choice.figure import LEAST_PEOPLE, Figure, not_identified, percent
from services.choice.log import Log
from shared.events import SURFACES

NAME = "surface_mix"
UNKNOWN = SURFACES.index("unknown")


def measure(log: Log) -> Iterator[Figure]:
    """One figure a surface; bounds: none of the unknown were its, all of them."""
    whole = float(log.likes.weight.sum())
    if whole == 0:
        yield not_identified(NAME, {}, 0, "there are no likes")
        return
    unknown = float(log.likes.weight[log.likes.surface == UNKNOWN].sum()) / whole
    if unknown == 1:
        yield not_identified(NAME, {}, len(log.likes), "no like says by which surface it came")
        return
    for code, surface in enumerate(SURFACES):
        share = float(log.likes.weight[log.likes.surface == code].sum()) / whole
        if code == UNKNOWN:
            continue
        people = len(np.unique(log.likes.actor[log.likes.surface == code]))
        if 0 < people < LEAST_PEOPLE:
            why = f"fewer than {LEAST_PEOPLE} people, whom it could tell of"
            yield not_identified(NAME, {"surface": surface}, len(log.likes), why)
            continue
        known = share / (1 - unknown)
        bounds = percent(share) if unknown == 0 else f"between {percent(share)} and {percent(share + unknown)}"
        sentence = f"{bounds} of likes came by way of: {surface}."
        yield Figure(
            NAME,
            {"surface": surface},
            len(log.likes),
            sentence[0].upper() + sentence[1:],
            known,
            share,
            share + unknown,
            1.0,
            unknown,
        )
