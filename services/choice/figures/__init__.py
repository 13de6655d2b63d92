"""The figures, by number in docs/choice.md. Another one is a file with its `Measure` and a line here."""

from __future__ import annotations

from typing import Any, Final

from services.choice.figures import (
    buyer_ladder,
    caused_share,
    choice_bits,
    induced_drift,
    self_directed_novelty,
    slot_effect,
    surface_mix,
    value_of_likes,
)
from services.choice.log import Log
from shared.measures.figure import Figure
from shared.measures.measure import Measure

FIGURES: Final[dict[int, Measure[Log, Any]]] = {
    1: choice_bits.measure,
    2: surface_mix.measure,
    3: self_directed_novelty.measure,
    4: caused_share.measure,
    5: slot_effect.measure,
    6: induced_drift.measure,
    9: buyer_ladder.measure,
    12: value_of_likes.measure,
}


def measure(log: Log) -> list[Figure]:
    """All of them."""
    return [figure for of in FIGURES.values() for figure in of(log)]
