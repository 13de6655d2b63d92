"""How often the intervals of the caused share, the slot effect and the induced drift hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from services.choice.figures import caused_share, induced_drift, slot_effect
from services.choice.log import Log, Shown
from shared.exposures import NO_ARM
from shared.measures.figure import Figure
from truelike.evaluation import drift_world
from truelike.evaluation.choice_world import DAY_MS, Made, World, make
from truelike.evaluation.drift_world import DriftWorld
from truelike.evaluation.looks import LOOKS, Looked, Row, looked_at, moments

# 100,000 slates, 1 % of the items withheld.
LARGE: Final = World(people=5_000, slates=20, withheld=0.01, in_arms=0.0, appeal=0.4)


def of_slates(seed: int, named: float = 0.0) -> Iterator[Looked]:
    """`named`: of likes that slates brought, the share that name theirs."""
    yield from of_world(World(named=named), seed, LOOKS)


def of_drift(seed: int) -> Iterator[Looked]:
    world = DriftWorld()
    log = drift_world.make(world, seed)
    logs = [log.until(moment) for moment in moments(world.days)]
    yield from looked_at(logs, (induced_drift.measure,), _name, lambda figure, log: world.truth(figure.about["by"]))


def of_large(seed: int) -> list[Row]:
    """How wide the interval of the caused share is there, by item."""
    return [row for name, row in of_world(LARGE, seed, (1.0,)) if name == "caused_share, withheld by item"]


def of_world(world: World, seed: int, looks: tuple[float, ...]) -> Iterator[Looked]:
    made = make(world, seed)
    # A day more, so that the last look has all outcomes.
    ends = [
        moment + (DAY_MS if look == 1.0 else 0) for look, moment in zip(looks, moments(world.days, looks), strict=True)
    ]
    logs = [made.log.until(end) for end in ends]
    figures = (caused_share.measure, slot_effect.measure)
    yield from looked_at(logs, figures, _name, lambda figure, log: _truth(figure, made, log, world))


def _name(figure: Figure) -> str:
    about = {"withheld_by": "withheld by {}", "rank": "rank {}", "by": "by {}"}
    return ", ".join(
        [figure.name, *(text.format(figure.about[key]) for key, text in about.items() if key in figure.about)]
    )


def _truth(figure: Figure, made: Made, log: Log, world: World) -> float:
    if figure.name == slot_effect.NAME:
        theta = world.theta()
        return float(theta[figure.about["rank"]] / theta[0])
    mine = _matured(made, log) & ((made.log.shown.arm != NO_ARM) == (figure.about["withheld_by"] == "user"))
    return float(1 - made.if_withheld[mine].mean() / made.if_shown[mine].mean()) if mine.any() else float("nan")


def _matured(made: Made, log: Log) -> Any:
    shown: Shown = log.matured
    latest = shown.time[-1] if len(shown) else -1
    return made.log.shown.time <= latest
