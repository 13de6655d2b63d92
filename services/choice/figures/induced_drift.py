"""Figure 6: how far apart what people look for by themselves has come, between those who were shown a policy's choice
and those who were held out.

Jensen-Shannon divergence, in bits, between the two arms' shares of creators, and of topics, organic and search likes
only. Two samples of the same taste are apart by chance alone; how far is found by giving people's arms out anew at
random, and taken off. The error is the Poisson bootstrap's over people (Chamandy et al., "Estimating uncertainty for
massive data streams", 2012).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from services.choice.log import F64, Bools, Log
from services.choice.parted import Own, Parted
from shared.events import SURFACES
from shared.exposures import NO_ARM
from shared.hashing import U64, mix
from shared.measures import confidence
from shared.measures.cells import Cell, added
from shared.measures.confidence import Interval
from shared.measures.divergence import divergence
from shared.measures.figure import Figure, measured, not_identified
from shared.measures.measure import Measure

NAME: Final = "induced_drift"
OWN: Final = [SURFACES.index("organic"), SURFACES.index("search")]
# What a taste is of, and the column of a like that says it.
CREATOR: Final = "creator"
TOPIC: Final = "topic"
BY: Final = (CREATOR, TOPIC)
REPLICAS: Final = 200
# People with such likes in each arm, and likes.
LEAST_IN_ARM: Final = 50
LEAST_LIKES: Final = 200


@dataclass(frozen=True)
class Drift:
    """By policy and what a taste is of; `exposures`: how many items were shown or withheld in all."""

    exposures: int
    cells: dict[Cell, Parted]

    def __add__(self, other: Drift) -> Drift:
        return Drift(self.exposures + other.exposures, added(self.cells, other.cells))


def state(log: Log) -> Drift:
    """Likes themselves, since people are resampled with all theirs."""
    shown, own = log.shown.take(log.shown.arm != NO_ARM), log.likes.take(np.isin(log.likes.surface, OWN))
    cells: dict[Cell, Parted] = {}
    for policy, name in enumerate(log.policies):
        mine = shown.take(shown.policy == policy)
        cells |= {(name, by): Parted.of(mine, own, getattr(own, by)) for by in BY}
    return Drift(len(log.shown), cells)


def figures(state: Drift) -> Iterator[Figure]:
    """Of each policy one by creators and one by topics; of likes from when their person's arm began."""
    if not state.exposures:
        yield not_identified(NAME, {}, 0, "there are no exposures")
        return
    for (policy, by), parted in sorted(state.cells.items(), key=lambda item: item[0]):
        yield _of(parted, {"policy": policy, "by": by})


def _of(parted: Parted, about: dict[str, Any]) -> Figure:
    if not parted.people:
        return not_identified(NAME, about, 0, "no experiment parted people")
    if parted.in_both:
        they = "one person was" if parted.in_both == 1 else f"{parted.in_both:,} people were"
        return not_identified(NAME, about, 0, f"{they} in both arms")
    own, n = parted.own, len(parted.own)
    if not n and parted.unknown:
        return not_identified(
            NAME, about, 0, f"of none of the likes that people gave by themselves the {about['by']} is known"
        )
    for which, said in ((own.treated, "treated"), (~own.treated, "held out")):
        who = len(np.unique(own.actor[which]))
        if who < LEAST_IN_ARM or which.sum() < LEAST_LIKES:
            why = f"{who} people who are {said} gave {which.sum():,} likes of their own"
            return not_identified(NAME, about, n, f"{why}; it takes {LEAST_IN_ARM} and {LEAST_LIKES}")
    found = _interval(own.in_order())
    sentence = (
        f"By {about['by']}, what people like by themselves is between {found.low:.3f} and {found.high:.3f} bits apart "
        f"between those who were shown what {about['policy']} chose and those who were held out (1 bit: nothing in "
        "common)."
    )
    return measured(NAME, about, n, found, sentence, unknown_share=parted.unknown / (parted.unknown + n))


def _interval(own: Own) -> Interval:
    """Of both arms' likes, in their order."""
    people, first, place = np.unique(own.actor, return_index=True, return_inverse=True)
    treated, weight = own.treated[first], own.weight
    kinds, kind = np.unique(own.kind, return_inverse=True)
    k = len(kinds)

    def apart(weights: F64, arm: Bools) -> float:
        of_arm = arm[place]
        first, second = (np.bincount(kind[one], weights[one], k).astype(np.float64) for one in (of_arm, ~of_arm))
        return divergence(first, second)

    chance, resampled = np.zeros(REPLICAS), np.zeros(REPLICAS)
    for r in range(REPLICAS):
        # By the person and the replica alone, so that whoever measures the same log finds the same.
        drawn = mix(people, np.full(len(people), r + 1, np.uint64))
        arms = np.zeros(len(people), np.bool_)
        arms[np.argsort(drawn, kind="stable")[: int(treated.sum())]] = True
        chance[r] = apart(weight, arms)
        resampled[r] = apart(weight * _poisson(drawn)[place], treated)
    value = apart(weight, treated) - float(chance.mean())
    spread = float(resampled.std()) * confidence.multiplier(len(people))
    return Interval(max(value, 0.0), min(max(value - spread, 0.0), 1.0), min(max(value + spread, 0.0), 1.0))


def _poisson(drawn: U64) -> F64:
    """Poisson(1) numbers from hashes, shape as given."""
    share = (drawn >> np.uint64(11)).astype(np.float64) / 2.0**53
    odds = np.cumsum([np.exp(-1.0) / factorial for factorial in (1, 1, 2, 6, 24, 120, 720, 5040)])
    found: F64 = np.searchsorted(odds, share, side="right").astype(np.float64)
    return found


measure: Final = Measure(NAME, Drift, state, figures)
