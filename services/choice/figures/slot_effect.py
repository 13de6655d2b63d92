"""Figure 5: how much a place in the slate does, whatever stands there.

By inverse propensity (Joachims, Swaminathan, Schnabel, "Unbiased Learning-to-Rank with Biased Feedback", WSDM 2017): as
if every candidate had had the same chance at every rank; self-normalised (Swaminathan and Joachims, NIPS 2015).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from services.choice.log import ATTRIBUTION_MS, F64, NO_SLATE, Likes, Log, Shown
from services.choice.moments import outcomes, shown_again
from shared.hashing import mix
from shared.measures import confidence
from shared.measures.cells import Cell, Cells
from shared.measures.figure import NOT_MATURED, Figure, measured, not_identified
from shared.measures.measure import Measure
from shared.measures.units import Units, UnitSums

NAME: Final = "slot_effect"
LEAST_EFFECTIVE: Final = 100.0
LEAST_LIKES: Final = 20
# Standard errors that the mean weight may be from 1 before propensities are wrong, or some candidate has none.
OFF: Final = 5.0
RANKS: Final = 20
# Columns of a rank: likes and items, by weight; the same of the top rank; how far the items' weights are from 1, and
# their squares; likes and items, each as one.
HERE: Final = (0, 1)
TOP: Final = (2, 3)
OFF_BY, SQUARED, LIKES, ITEMS = range(4, 8)
# The cell of a policy, beside those of its ranks.
LOGGED: Final = "logged"


def state(log: Log) -> Cells:
    """By policy and rank, of what was shown with a known propensity; and by policy, how much of all that is."""
    shown = log.shown.take(~log.shown.withheld)
    liked = _outcomes(shown, log.likes)
    # Only then: what was shown again since is not due to what was shown before, though that has matured alone.
    matured = shown.time + ATTRIBUTION_MS <= log.now_ms
    shown, liked = shown.take(matured), liked[matured]
    sums: dict[Cell, UnitSums] = {}
    for policy, name in enumerate(log.policies):
        mine = np.flatnonzero(shown.policy == policy)
        if not len(mine):
            continue
        logged = mine[np.isfinite(shown.propensity[mine]) & (shown.candidates[mine] > 0)]
        sums[name, LOGGED] = Units(shown.actor[mine]).sums(np.isin(mine, logged))
        for rank, of_rank in enumerate(_by_rank(shown.take(logged), liked[logged])):
            sums[name, str(rank)] = of_rank
    return Cells(len(log.shown), sums)


def _by_rank(shown: Shown, liked: F64) -> Iterator[UnitSums]:
    """RANKS + 1 of them, the last of all that is further down; each of everybody: who has nothing there is a unit."""
    weight = 1 / (shown.candidates * shown.propensity)
    top = shown.rank == 0
    units = Units(shown.actor)
    for rank in range(RANKS + 1):
        here = np.minimum(shown.rank, RANKS) == rank
        yield units.sums(
            here * weight * liked,
            here * weight,
            top * weight * liked,
            top * weight,
            here * (weight - 1),
            here * weight**2,
            here & (liked > 0),
            here,
        )


def _outcomes(shown: Shown, likes: Likes) -> F64:
    """Of likes by way of the slate's own surface, shape (n,): the item's, since a policy's others may be in another
    partition. A like is due to the slate that it came from, by whatever surface, where it names that; else to the
    latest that showed its target.
    """
    on = [mix(rows.target, rows.surface.astype(np.uint64)) for rows in (shown, likes)]
    mine, naming = replace(shown, target=on[0]), likes.slate != NO_SLATE
    liked = outcomes(mine, replace(likes, target=on[1]).take(~naming), shown_again(mine))
    if naming.any():
        of = [mix(rows.target, rows.slate.view(np.uint64)) for rows in (shown, likes)]
        named = outcomes(replace(shown, target=of[0]), replace(likes, target=of[1]).take(naming))
        liked = np.where(named > 0, named, liked)
    return liked


def figures(state: Cells) -> Iterator[Figure]:
    """theta_k / theta_0 by policy and rank k, of likes on the slate's own surface."""
    if not state.exposures:
        yield not_identified(NAME, {}, 0, "there are no exposures")
    elif not state.sums:
        yield not_identified(NAME, {}, 0, NOT_MATURED)
    for policy in sorted(policy for policy, of in state.sums if of == LOGGED):
        logged = state.sums[policy, LOGGED]
        about: dict[str, Any] = {"policy": policy}
        if not logged.totals[0]:
            yield not_identified(NAME, about, logged.rows, "propensities and numbers of candidates were not logged")
            continue
        ranks = [state.sums[policy, str(rank)] for rank in range(RANKS + 1)]
        yield from _of(ranks, 1 - float(logged.totals[0]) / logged.rows, about)


def _of(ranks: list[UnitSums], unknown: float, about: dict[str, Any]) -> Iterator[Figure]:
    deepest = max(rank for rank, sums in enumerate(ranks) if sums.totals[ITEMS])
    top_unfit = _unfit(ranks[0], 0)
    for rank in range(1, min(deepest + 1, RANKS)):
        sums, of_rank = ranks[rank], about | {"rank": rank}
        n = round(sums.totals[ITEMS])
        why = top_unfit or _unfit(sums, rank)
        ratio = confidence.of_ratio(sums, HERE, TOP) if why is None else None
        if ratio is None:
            yield not_identified(NAME, of_rank, n, why or "the likes are too few to bound it")
            continue
        sentence = (
            f"The same item is liked {ratio.value:.2f} times as often at rank {rank} as at the top (between "
            f"{ratio.low:.2f} and {ratio.high:.2f}), by {about['policy']}."
        )
        yield measured(NAME, of_rank, n, ratio, sentence, unknown_share=unknown)


def _unfit(sums: UnitSums, rank: int) -> str | None:
    """Why a rank's likes say nothing; None where they do."""
    if (few := confidence.too_few(sums)) is not None:
        return few
    weight, squared, given, items = (float(sums.totals[column]) for column in (HERE[1], SQUARED, LIKES, ITEMS))
    effective = weight**2 / squared if items else 0.0
    if effective < LEAST_EFFECTIVE:
        return f"rank {rank} has an effective sample of {effective:.0f}; it takes {LEAST_EFFECTIVE:.0f}"
    if given < LEAST_LIKES:
        return f"rank {rank} has {given:.0f} likes; it takes {LEAST_LIKES}"
    off, error = float(sums.totals[OFF_BY]) / items, float(np.sqrt(sums.products[OFF_BY, OFF_BY])) / items
    if abs(off) > OFF * max(error, 1e-12):
        return (
            f"propensities at rank {rank} do not add up: the mean of 1 / (candidates x propensity) is {off + 1:.2f}, "
            "not 1; some candidate had no chance there, or they are not the policy's"
        )
    return None


measure: Final = Measure(NAME, Cells, state, figures)
