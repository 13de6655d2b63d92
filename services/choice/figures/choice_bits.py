"""Figure 1: how much of what people like was foretold by their own past, by what was put before them, by neither."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from services.choice import bits
from services.choice.log import Bits, Log
from shared.events import SURFACES
from shared.measures import confidence
from shared.measures.cells import Cell, Cells
from shared.measures.figure import Figure, between, measured, not_identified
from shared.measures.measure import Measure
from shared.measures.units import Units, UnitSums

NAME: Final = "choice_bits"
ALL: Final = "all"
# Columns: weight, and by weight the bits of each part of the chain.
WEIGHT, POPULAR, HISTORY, REST, SHOWN, SHOWN_FIRST = range(6)


def state(log: Log) -> Cells:
    """The mixture of `bits` is learnt over the likes of this log, in order: another one's is another."""
    return of_bits(log, bits.of_log(log))


def of_bits(log: Log, found: Bits) -> Cells:
    """By surface, and of all; what was found of the log's likes."""
    likes = log.likes.take(found.at)
    parts = (likes.weight * part for part in (found.popular, found.history, found.rest, found.shown, found.shown_first))
    columns = np.stack([likes.weight, *parts])
    sums: dict[Cell, UnitSums] = {(ALL,): Units(likes.actor).sums(*columns)}
    for code in np.unique(likes.surface).tolist():
        which = likes.surface == code
        sums[(SURFACES[code],)] = Units(likes.actor[which]).sums(*columns[:, which])
    return Cells(len(log.shown), sums)


def figures(state: Cells) -> Iterator[Figure]:
    """Means of H (history), E (shown) and R (neither), of all likes and by surface, each like by its weight."""
    if not state.sums[(ALL,)].rows:
        yield not_identified(NAME, {}, 0, "nothing was forecast of the likes")
        return
    known = [surface for surface in SURFACES if (surface,) in state.sums]
    for surface in (ALL, *(known if len(known) > 1 else ())):
        yield from _of(state.sums[(surface,)], surface, state.exposures)


def _of(sums: UnitSums, surface: str, exposures: int) -> Iterator[Figure]:
    n, about = sums.rows, {"surface": surface}
    if (few := confidence.too_few(sums)) is not None:
        yield not_identified(NAME, {"bits_of": "history"} | about, n, few)
        return
    whole, history, rest, shown, first = (
        confidence.of_ratio_of_means(sums, (part, WEIGHT)) for part in (POPULAR, HISTORY, REST, SHOWN, SHOWN_FIRST)
    )
    held = f"Of the {whole.value:.1f} bits that a like held in the mean"
    more = {"bits_in_all": whole.value}
    foretold = f"{held}, {history.value:.1f} were foretold by people's own past."
    yield measured(NAME, {"bits_of": "history"} | about, n, history, foretold, more=more)
    if not exposures:
        why = "there are no exposures"
        yield not_identified(NAME, {"bits_of": "shown"} | about, n, why)
        said = f"{held}, {rest.value:.1f} were not foretold by people's own past."
        yield measured(NAME, {"bits_of": "rest"} | about, n, rest, said, more=more)
        return
    low, high = sorted((shown.value, first.value))
    said = f"{held}, {between(f'{low:.1f}', f'{high:.1f}')} were foretold by what was put before people."
    both = {"shown_first": first.value, "shown_first_low": first.low, "shown_first_high": first.high}
    yield measured(NAME, {"bits_of": "shown"} | about, n, shown, said, more=more | both)
    said = f"{held}, {rest.value:.1f} were foretold neither by people's own past nor by what was put before them."
    yield measured(NAME, {"bits_of": "rest"} | about, n, rest, said, more=more)


measure: Final = Measure(NAME, Cells, state, figures)
