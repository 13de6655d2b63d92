"""Figure 5: how much a place in the slate does, whatever stands there.

By inverse propensity (Joachims, Swaminathan, Schnabel, "Unbiased Learning-to-Rank with Biased Feedback", WSDM 2017): as
if every candidate had had the same chance at every rank; self-normalised (Swaminathan and Joachims, NIPS 2015).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from services.choice import confidence
from services.choice.figure import Figure, measured, not_identified
from services.choice.log import F64, Log, Shown
from services.choice.moments import outcomes
from services.choice.units import Units

NAME: Final = "slot_effect"
LEAST_EFFECTIVE: Final = 100.0
LEAST_LIKES: Final = 20
# Standard errors that the mean weight may be from 1 before propensities are wrong, or some candidate has none.
OFF: Final = 5.0
RANKS: Final = 20


def measure(log: Log) -> Iterator[Figure]:
    """theta_k / theta_0 by policy and rank k, of likes on the slate's own surface."""
    if not len(log.shown):
        yield not_identified(NAME, {}, 0, "there are no exposures")
    shown = log.matured.take(~log.matured.withheld)
    for policy, name in enumerate(log.policies):
        mine = shown.take(shown.policy == policy)
        about: dict[str, Any] = {"policy": name}
        if not len(mine):
            continue
        logged = np.isfinite(mine.propensity) & (mine.candidates > 0)
        if not logged.any():
            yield not_identified(NAME, about, len(mine), "propensities and numbers of candidates were not logged")
            continue
        yield from _of(mine, logged, log, about)


def _of(shown: Shown, logged: Any, log: Log, about: dict[str, Any]) -> Iterator[Figure]:
    unknown = 1 - float(logged.mean())
    shown = shown.take(logged)
    own = log.likes.take(np.isin(log.likes.surface, np.unique(shown.surface)))
    liked = outcomes(shown, own)
    weight = 1 / (shown.candidates * shown.propensity)
    units = Units(shown.actor)
    first, top_unfit = _sums(units, shown, liked, weight, 0), _unfit(units, shown, weight, liked, 0)
    for rank in range(1, min(int(shown.rank.max()) + 1, RANKS)):
        here = _sums(units, shown, liked, weight, rank)
        of_rank = about | {"rank": rank}
        n = int((shown.rank == rank).sum())
        why = top_unfit or _unfit(units, shown, weight, liked, rank)
        ratio = confidence.of_ratio(*here, *first) if why is None else None
        if ratio is None:
            yield not_identified(NAME, of_rank, n, why or "the likes are too few to bound it")
            continue
        sentence = (
            f"The same item is liked {ratio.value:.2f} times as often at rank {rank} as at the top (between "
            f"{ratio.low:.2f} and {ratio.high:.2f}), by {about['policy']}."
        )
        yield measured(NAME, of_rank, n, ratio, sentence, unknown_share=unknown)


def _sums(units: Units, shown: Shown, liked: F64, weight: F64, rank: int) -> tuple[F64, F64]:
    here = shown.rank == rank
    return units.sums(here * weight * liked), units.sums(here * weight)


def _unfit(units: Units, shown: Shown, weight: F64, liked: F64, rank: int) -> str | None:
    """Why a rank's likes say nothing; None where they do."""
    here = shown.rank == rank
    mine = weight[here]
    if units.too_few:
        return units.too_few
    effective = float(mine.sum() ** 2 / (mine @ mine)) if len(mine) else 0.0
    if effective < LEAST_EFFECTIVE:
        return f"rank {rank} has an effective sample of {effective:.0f}; it takes {LEAST_EFFECTIVE:.0f}"
    if (given := float((liked[here] > 0).sum())) < LEAST_LIKES:
        return f"rank {rank} has {given:.0f} likes; it takes {LEAST_LIKES}"
    residual = units.sums(np.where(here, weight - 1, 0.0))
    error = float(np.sqrt((residual**2).sum())) / len(mine)
    if abs(mean := float(mine.mean()) - 1) > OFF * max(error, 1e-12):
        return (
            f"propensities at rank {rank} do not add up: the mean of 1 / (candidates x propensity) is {mean + 1:.2f}, "
            "not 1; some candidate had no chance there, or they are not the policy's"
        )
    return None
