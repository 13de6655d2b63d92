"""Logs that lack what a figure needs: does it say so, and give no number?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from services.choice.figures import (
    buyer_ladder,
    caused_share,
    choice_bits,
    induced_drift,
    self_directed_novelty,
    slot_effect,
    value_of_likes,
)
from services.choice.log import Log
from shared.measures.figure import Figure
from truelike.evaluation import bits_world, buyer_world, choice_world, value_world
from truelike.evaluation.bits_world import BitsWorld
from truelike.evaluation.buyer_world import BuyerWorld
from truelike.evaluation.choice_world import World
from truelike.evaluation.looks import Measure
from truelike.evaluation.value_world import ValueWorld

Figures = Sequence[Figure]


@dataclass(frozen=True)
class Lacking:
    """`refuses`: whether what was said is as it must be; by default nothing is identified."""

    figure: str
    log: Callable[[int], Log]
    measure: Measure
    refuses: Callable[[Figures], bool] = lambda said: not any(figure.identified for figure in said)


def _of_world(**lacks: Any) -> Callable[[int], Log]:
    return lambda seed: choice_world.make(World(people=1500, **lacks), seed).log


def _likes_alone(seed: int) -> Log:
    return bits_world.without_exposures(bits_world.make(BitsWorld(), seed))


def _history_and_rest_only(said: Figures) -> bool:
    of = {(figure.about["bits_of"], figure.identified) for figure in said}
    return of == {("history", True), ("shown", False), ("rest", True)}


def _an_upper_bound(said: Figures) -> bool:
    (figure,) = said
    return figure.value is None and figure.low == 0.0 and figure.high is not None and 0 < figure.high < 1


def _new_to_whom(said: Figures) -> bool:
    """Rungs are told of all the same."""
    return all(figure.identified != ("of" in figure.about) for figure in said)


REFUSALS: Final[dict[str, tuple[Lacking, ...]]] = {
    "nothing was withheld": (Lacking(caused_share.NAME, _of_world(withheld=0.0, in_arms=0.0), caused_share.measure),),
    "nobody was held out": (Lacking(induced_drift.NAME, _of_world(in_arms=0.0), induced_drift.measure),),
    "withheld by rank, not by chance": (
        Lacking(caused_share.NAME, _of_world(withheld_by_rank=True, in_arms=0.0), caused_share.measure),
    ),
    "propensities were not logged": (Lacking(slot_effect.NAME, _of_world(propensities=False), slot_effect.measure),),
    "propensities are not the policy's": (
        Lacking(slot_effect.NAME, _of_world(propensities_true=False), slot_effect.measure),
    ),
    "likes without exposures": (
        Lacking("choice_bits: history and rest only", _likes_alone, choice_bits.measure, _history_and_rest_only),
        Lacking("self_directed_novelty: an upper bound", _likes_alone, self_directed_novelty.measure, _an_upper_bound),
        Lacking(caused_share.NAME, _likes_alone, caused_share.measure),
        Lacking(slot_effect.NAME, _likes_alone, slot_effect.measure),
        Lacking(induced_drift.NAME, _likes_alone, induced_drift.measure),
    ),
    "buys without exposures": (
        Lacking(
            "buyer_ladder, new to the person",
            lambda seed: bits_world.without_exposures(buyer_world.make(BuyerWorld(), seed)),
            buyer_ladder.measure,
            _new_to_whom,
        ),
    ),
    "nothing but likes": (
        Lacking(
            value_of_likes.NAME, lambda seed: value_world.make(ValueWorld(likes=3_000), seed), value_of_likes.measure
        ),
    ),
}


def of_seed(log: str, seed: int) -> list[tuple[bool, str]]:
    """Of each figure that is asked of such a log: whether it refused, and a sentence of those that do."""
    found = []
    for asked in REFUSALS[log]:
        said = list(asked.measure(asked.log(seed)))
        refusing = [figure for figure in said if not figure.identified or figure.value is None]
        found.append((asked.refuses(said), refusing[0].sentence if refusing else said[0].sentence))
    return found


def rows(found: dict[str, list[list[tuple[bool, str]]]]) -> list[dict[str, Any]]:
    """Of what each log's seeds said: a row a figure, how often it refused."""
    return list(chain.from_iterable(_rows(log, seeds) for log, seeds in found.items()))


def _rows(log: str, seeds: list[list[tuple[bool, str]]]) -> list[dict[str, Any]]:
    return [
        {
            "log": log,
            "figure": asked.figure,
            "seeds": len(seeds),
            "not_identified": sum(refused for refused, _ in said),
            "says": said[-1][1],
        }
        for asked, said in zip(REFUSALS[log], zip(*seeds, strict=True), strict=True)
    ]
