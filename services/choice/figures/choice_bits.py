"""Figure 1: how much of what people like was foretold by their own past, by what was put before them, by neither."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from services.choice import bits, confidence
from services.choice.confidence import Interval
from services.choice.figure import Figure, measured, not_identified
from services.choice.log import F64, Bools, Log
from services.choice.units import Units
from shared.events import SURFACES

NAME: Final = "choice_bits"
ALL: Final = "all"


def measure(log: Log) -> Iterator[Figure]:
    """Means of H (history), E (shown) and R (neither), of all likes and by surface, each like by its weight."""
    found = bits.of(log.likes, log.shown)
    if not len(found.at):
        yield not_identified(NAME, {}, 0, "nothing was forecast of the likes")
        return
    surfaces = log.likes.surface[found.at]
    yield from _of(log, found, np.ones(len(found.at), np.bool_), ALL)
    known = np.unique(surfaces).tolist()
    for code in known if len(known) > 1 else ():
        yield from _of(log, found, surfaces == code, SURFACES[code])


def _of(log: Log, found: bits.Bits, which: Bools, surface: str) -> Iterator[Figure]:
    likes, n = log.likes.take(found.at[which]), int(which.sum())
    units = Units(likes.actor)
    if units.too_few:
        yield not_identified(NAME, {"bits_of": "history", "surface": surface}, n, units.too_few)
        return

    def mean(values: F64) -> Interval:
        return confidence.of_ratio_of_means(units.sums(likes.weight * values[which]), units.sums(likes.weight))

    whole, history, rest = mean(found.popular), mean(found.history), mean(found.rest)
    held = f"Of the {whole.value:.1f} bits that a like held in the mean"
    about: dict[str, Any] = {"surface": surface}
    more = {"bits_in_all": whole.value}
    foretold = f"{held}, {history.value:.1f} were foretold by people's own past."
    yield measured(NAME, {"bits_of": "history"} | about, n, history, foretold, more=more)
    if not len(log.shown):
        why = "there are no exposures"
        yield not_identified(NAME, {"bits_of": "shown"} | about, n, why)
        said = f"{held}, {rest.value:.1f} were not foretold by people's own past."
        yield measured(NAME, {"bits_of": "rest"} | about, n, rest, said, more=more)
        return
    shown, first = mean(found.shown), mean(found.shown_first)
    order = sorted((shown.value, first.value))
    said = f"{held}, between {order[0]:.1f} and {order[1]:.1f} were foretold by what was put before people."
    both = {"shown_first": first.value, "shown_first_low": first.low, "shown_first_high": first.high}
    yield measured(NAME, {"bits_of": "shown"} | about, n, shown, said, more=more | both)
    said = f"{held}, {rest.value:.1f} were foretold neither by people's own past nor by what was put before them."
    yield measured(NAME, {"bits_of": "rest"} | about, n, rest, said, more=more)
