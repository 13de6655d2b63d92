"""How often the interval of the value of likes holds, in worlds where shares tell little of tastes or all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from services.choice.figures import value_of_likes
from services.choice.log import Log
from shared.hashing import mix
from shared.measures.figure import Figure
from truelike.evaluation.looks import Looked, moments, row
from truelike.evaluation.value_world import ValueWorld, make

# What a taste is worth to a forecaster that learns follows from no formula. So the truth is what the figure is of all
# people of a world, and intervals are of this many parts of them, with the same forecasters.
PARTS: Final = 10
WORLDS: Final = {
    f"{value_of_likes.NAME}, a fifth is shared": ValueWorld(mirrored=0.2),
    f"{value_of_likes.NAME}, all is shared": ValueWorld(mirrored=1.0),
}


def of_seed(seed: int) -> Iterator[Looked]:
    """By world, a row a part of its people."""
    for name, world in WORLDS.items():
        log = make(world, seed)
        logs = [log.until(moment) for moment in moments(world.days)]
        truth = [_value(_of_all(then)) for then in logs]
        for part in range(PARTS):
            yield name, row([_of_all(_part(then, part)) for then in logs], truth)


def _part(log: Log, part: int) -> Log:
    actor = log.likes.actor
    mine = mix(actor, np.full(len(actor), 29, np.uint64)) % np.uint64(PARTS) == part
    return replace(log, likes=log.likes.take(mine))


def _of_all(log: Log) -> Figure:
    return next(iter(value_of_likes.measure(log)))


def _value(figure: Figure) -> float:
    assert figure.value is not None, figure.sentence
    return figure.value
