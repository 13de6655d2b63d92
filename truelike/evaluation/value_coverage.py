"""How often the interval of the value of likes holds, in worlds where shares tell little of tastes or all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from services.choice.figures import value_of_likes
from services.choice.log import F64, Log
from shared.hashing import mix
from shared.measures.figure import Figure
from truelike.evaluation.choice_world import BEGIN_MS, DAY_MS
from truelike.evaluation.value_world import ValueWorld, make

# What a taste is worth to a forecaster that learns follows from no formula. So the truth is what the figure is of all
# people of a world, and intervals are of this many parts of them, with the same forecasters.
PARTS: Final = 10
WORLDS: Final = {
    f"{value_of_likes.NAME}, a fifth is shared": ValueWorld(mirrored=0.2),
    f"{value_of_likes.NAME}, all is shared": ValueWorld(mirrored=1.0),
}


def rows(
    seeds: int, first_seed: int, looks: tuple[float, ...], step: Callable[[], None]
) -> dict[str, list[dict[str, Any]]]:
    """By world, a row a part of its people, `seeds` of them in all: whether the figure was identified and held the
    truth at every look, and its last value.
    """
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in WORLDS}
    for seed in range(first_seed, first_seed - (-seeds // PARTS)):
        for name, world in WORLDS.items():
            found[name] += _of_parts(make(world, seed), looks, world.days)
        step()
    return {name: of[:seeds] for name, of in found.items()}


def _of_parts(log: Log, looks: tuple[float, ...], days: int) -> Iterator[dict[str, Any]]:
    moments = [BEGIN_MS + round(look * days * DAY_MS) for look in looks]
    logs = [log.until(moment) for moment in moments]
    truth = np.array([_of_all(then).value for then in logs], np.float64)
    for part in range(PARTS):
        yield _row([_of_all(_part(then, part)) for then in logs], truth)


def _part(log: Log, part: int) -> Log:
    actor = log.likes.actor
    mine = mix(actor, np.full(len(actor), 29, np.uint64)) % np.uint64(PARTS) == part
    return replace(log, likes=log.likes.take(mine))


def _of_all(log: Log) -> Figure:
    return next(iter(value_of_likes.measure(log)))


def _row(said: list[Figure], truth: F64) -> dict[str, Any]:
    intervals = [(f.low, f.high) for f in said if f.low is not None and f.high is not None]
    held = [low <= true <= high for (low, high), true in zip(intervals, truth, strict=True)]
    last = said[-1]
    return {
        "identified": last.identified,
        "looks": len(intervals),
        "held": all(held),
        "value": last.value,
        "low": last.low,
        "high": last.high,
        "truth": float(truth[-1]),
    }


def refused(first_seed: int, seeds: int, step: Callable[[], None]) -> dict[str, Any]:
    """How often the figure said that it is not identified, where people do nothing but like."""
    refusals, reason = 0, ""
    for seed in range(first_seed, first_seed + seeds):
        (figure,) = value_of_likes.measure(make(ValueWorld(likes=3_000), seed))
        refusals += not figure.identified
        reason = figure.sentence
        step()
    return {
        "log": "nothing but likes",
        "figure": value_of_likes.NAME,
        "seeds": seeds,
        "not_identified": refusals,
        "says": reason,
    }
