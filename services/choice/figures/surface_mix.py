"""Figure 2: what brought before people what they liked. A count, so no chance is in it, but what is unknown is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.choice.log import Log
from shared.events import SURFACES
from shared.measures.cells import Cell, Cells
from shared.measures.figure import LEAST_PEOPLE, Figure, between, not_identified, percent
from shared.measures.measure import Measure
from shared.measures.units import Units, UnitSums

NAME: Final = "surface_mix"
UNKNOWN: Final = "unknown"


def state(log: Log) -> Cells:
    """By surface, the likes' weight."""
    sums: dict[Cell, UnitSums] = {}
    for code, surface in enumerate(SURFACES):
        likes = log.likes.take(log.likes.surface == code)
        sums[(surface,)] = Units(likes.actor).sums(likes.weight)
    return Cells(len(log.shown), sums)


def figures(state: Cells) -> Iterator[Figure]:
    """One figure a surface; bounds: none of the unknown were its, all of them."""
    weights = {surface: float(sums.totals[0]) for (surface,), sums in state.sums.items()}
    n = sum(sums.rows for sums in state.sums.values())
    whole = sum(weights.values())
    if whole == 0:
        yield not_identified(NAME, {}, 0, "there are no likes")
        return
    unknown = weights[UNKNOWN] / whole
    if unknown == 1:
        yield not_identified(NAME, {}, n, "no like says by which surface it came")
        return
    for surface in (surface for surface in SURFACES if surface != UNKNOWN):
        share = weights[surface] / whole
        if 0 < state.sums[(surface,)].units < LEAST_PEOPLE:
            why = f"fewer than {LEAST_PEOPLE} people, whom it could tell of"
            yield not_identified(NAME, {"surface": surface}, n, why)
            continue
        known = share / (1 - unknown)
        bounds = between(percent(share), percent(share + unknown))
        sentence = f"{bounds} of likes came by way of: {surface}."
        yield Figure(
            NAME,
            {"surface": surface},
            n,
            sentence[0].upper() + sentence[1:],
            known,
            share,
            share + unknown,
            1.0,
            unknown,
        )


measure: Final = Measure(NAME, Cells, state, figures)
