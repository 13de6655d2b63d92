"""How often the intervals of the buyer ladder hold: of each rung, and of what is new to a mandate's person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from services.choice.figures import buyer_ladder
from shared.measures.figure import Figure
from truelike.evaluation import buyer_world
from truelike.evaluation.buyer_world import BuyerWorld
from truelike.evaluation.looks import Looked, looked_at, moments

WORLD: Final = BuyerWorld()


def of_seed(seed: int) -> Iterator[Looked]:
    logs = [buyer_world.make(WORLD, seed).until(moment) for moment in moments(WORLD.days)]
    yield from looked_at(
        logs, (buyer_ladder.measure,), _named, lambda f, _: WORLD.truth(f.about["rung"], "of" in f.about)
    )


def _named(figure: Figure) -> str | None:
    """None for a look at which so few had bought that no rung is told of."""
    if "rung" not in figure.about:
        return None
    return ", ".join([figure.name, figure.about["rung"], *([figure.about["of"]] if "of" in figure.about else [])])
