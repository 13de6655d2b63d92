"""How often the intervals of choice bits hold: where people give about as many likes each, and where few give most.

What the interval is of: the mean, over all people there could be, of what likes held for *this* forecaster, as it was
when each came. What it had learnt by then is the same for all people and no chance of who was asked, so the truth is
reckoned for what it believed all along. The figure is handed nothing of that: it learns rho and theta by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from services.choice import bits, named_slates
from services.choice.figures import choice_bits
from services.choice.log import F64, I64, Log
from services.choice.mixture import Forecasts, Mixture
from shared.events import SURFACES
from shared.measures.figure import Figure
from truelike.evaluation import bits_world
from truelike.evaluation.bits_world import REACTION_MS, BitsWorld
from truelike.evaluation.looks import Looked, looked_at, moments

WORLDS: Final = {
    "people alike": BitsWorld(),
    # A hundredth of the people gives a quarter of the likes; those who give many have the narrowest tastes.
    "few give most": BitsWorld(people=1_200, tail=(1.0, 2.0), least=1, most=400),
}
# What is believed is looked up after each so many of the likes so far.
_STEP: Final = 10
_NOBODY_ELSE: Final = np.uint64(2)


def of_seed(seed: int) -> Iterator[Looked]:
    for name, world in WORLDS.items():
        yield from of_world(name, world, seed)


def of_world(name: str, world: BitsWorld, seed: int) -> Iterator[Looked]:
    log = bits_world.make(world, seed)
    truth = Truth.of(world, log)
    logs = [log.until(moment) for moment in moments(world.days)]

    def named(figure: Figure) -> str:
        return f"{choice_bits.NAME}, {figure.about['bits_of']}, {figure.about['surface']}, {name}"

    yield from looked_at(logs, (in_both_orders,), named, truth.at)


def in_both_orders(log: Log) -> Iterator[Figure]:
    """The figure, and what was shown where it comes first as one of its own."""
    for figure in choice_bits.measure(log):
        yield figure
        if "shown_first" in figure.more:
            value, low, high = (figure.more[f"shown_first{end}"] for end in ("", "_low", "_high"))
            about = figure.about | {"bits_of": "shown_first"}
            yield replace(figure, about=about, value=value, low=low, high=high, more={})


@dataclass(frozen=True)
class Truth:
    """What likes held in the mean, span by span of the log, `stops` the last like of each."""

    stops: I64
    means: list[dict[tuple[str, str], float]]

    @classmethod
    def of(cls, world: BitsWorld, log: Log) -> Truth:
        mixture, n, slates = Mixture(), len(log.likes), 0
        stops: list[int] = []
        means: list[dict[tuple[str, str], float]] = []
        while (start := stops[-1] if stops else 0) < n:
            means.append(world.truth(*_believed(mixture, world, log)))
            stops.append(min(start + 1 + start // _STEP, n))
            part = log.likes.take(slice(start, stops[-1]))
            reached = int(np.searchsorted(log.shown.time, part.time[-1], side="right"))
            bits.following(mixture, part, log.shown.take(slice(slates, reached)), named_slates.of(part, log.shown))
            slates = reached
        return cls(np.array(stops), means)

    def at(self, figure: Figure, then: Log) -> float:
        """Of the likes up to that look: each span's mean, by how many of the likes were of it."""
        of, surface = figure.about["bits_of"], figure.about["surface"]
        mine = np.arange(len(then.likes))
        if surface != choice_bits.ALL:
            mine = np.flatnonzero(then.likes.surface == SURFACES.index(surface))
        weight = np.bincount(np.searchsorted(self.stops, mine, side="right"), minlength=len(self.stops))
        return float(np.average([mean[of, surface] for mean in self.means], weights=weight))


def _believed(mixture: Mixture, world: BitsWorld, log: Log) -> tuple[float, F64, float]:
    """rho, the odds of each rank, and the share of popularity, of a like that comes as likes of that world do after a
    slate, whoever's.
    """
    asked = Mixture()
    asked.restore(mixture.snapshot())
    rows = log.shown.take(slice(0, world.size))
    time = np.full(world.size, log.now_ms)
    slate = replace(
        rows, actor=np.full(world.size, _NOBODY_ELSE), time=time, target=np.arange(world.size, dtype=np.uint64)
    )
    likes = replace(
        log.likes.take(np.zeros(world.size, np.int64)), actor=slate.actor, target=slate.target, time=time + REACTION_MS
    )
    found = asked.forecast(likes, Forecasts.of(likes), slate, np.zeros(world.size, np.bool_))
    # Nothing says there how probable anything alike is: it goes by popularity.
    return float(found.rho[0]), found.p_slate, float(found.popular[0] + found.anything[0])
