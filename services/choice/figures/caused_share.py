"""Figure 4: how many of the likes of what was shown would not have been without its being shown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from services.choice.log import Likes, Log, Shown
from services.choice.moments import outcomes
from shared.exposures import HOLDOUT, NO_ARM
from shared.measures import confidence
from shared.measures.cells import Cell, Cells
from shared.measures.figure import NOT_MATURED, Figure, between, measured, not_identified
from shared.measures.measure import Measure
from shared.measures.units import Units, UnitSums

NAME: Final = "caused_share"
# Fewer withheld items, or likes on either side, bound nothing.
LEAST_WITHHELD: Final = 100
LEAST_LIKES: Final = 20
# Standard errors that shown and withheld items' mean ranks may be apart before chance is no explanation.
UNBALANCED: Final = 5.0
# Columns: of withheld and of shown items, likes, their number, and their ranks added up.
WITHHELD: Final = (0, 1)
SHOWN: Final = (2, 3)
WITHHELD_RANK: Final = (4, 1)
SHOWN_RANK: Final = (5, 3)


def state(log: Log) -> Cells:
    """By policy and by what chance chose, item or user, of which anything is there."""
    shown = log.matured
    # What an item of an experiment on users would have done is known of those who were shown, or were not, all.
    in_arms = shown.arm != NO_ARM
    known = shown.withheld == (shown.arm == HOLDOUT)
    sums: dict[Cell, UnitSums] = {}
    for policy, name in enumerate(log.policies):
        mine = shown.policy == policy
        sums[name, "item"] = _sums(shown.take(mine & ~in_arms), log.likes)
        if (mine & in_arms).any():
            sums[name, "user"] = _sums(shown.take(mine & in_arms & known), log.likes)
    return Cells(len(log.shown), sums)


def _sums(shown: Shown, likes: Likes) -> UnitSums:
    liked, withheld, rank = outcomes(shown, likes), shown.withheld, shown.rank
    return Units(shown.actor).sums(
        liked * withheld, withheld, liked * ~withheld, ~withheld, rank * withheld, rank * ~withheld
    )


def figures(state: Cells) -> Iterator[Figure]:
    """1 - mu0 / mu1 and mu1 - mu0, by policy and by what chance chose: items, or people. mu: likes on any surface,
    within the attribution window, of an item that was shown (1), of one that was chosen and kept back by chance (0).
    """
    if not state.exposures:
        yield not_identified(NAME, {}, 0, "there are no exposures")
    elif not any(sums.rows for sums in state.sums.values()):
        yield not_identified(NAME, {}, 0, NOT_MATURED)
        return
    for (policy, by), sums in sorted(state.sums.items()):
        yield _of(sums, {"policy": policy, "withheld_by": by})


def _of(sums: UnitSums, about: dict[str, Any]) -> Figure:
    n = sums.rows
    if (why := _unfit(sums)) is not None:
        return not_identified(NAME, about, n, why)
    ratio = confidence.of_ratio(sums, WITHHELD, SHOWN)
    if ratio is None:
        return not_identified(NAME, about, n, "the likes are too few to bound it")
    uplift = confidence.of_difference(sums, SHOWN, WITHHELD)
    share = confidence.Interval(1 - ratio.value, 1 - ratio.high, 1 - ratio.low)
    shares = f"Of 100 likes of what {about['policy']} showed, {_between(share)}"
    sentence = f"{shares} would not have been given had it not been shown."
    more = {"uplift": uplift.value, "uplift_low": uplift.low, "uplift_high": uplift.high}
    rates = {"liked_if_shown": sums.ratio(SHOWN), "liked_if_withheld": sums.ratio(WITHHELD)}
    return measured(NAME, about, n, share, sentence, more=more | rates)


def _between(share: confidence.Interval) -> str:
    """In likes of 100. Less than none: showing keeps people from liking."""
    if share.low > 0:
        return between(f"{100 * share.low:.0f}", f"{100 * share.high:.0f}")
    return f"at most {100 * share.high:.0f}, and perhaps none," if share.high > 0 else "none"


def _unfit(sums: UnitSums) -> str | None:
    """Why nothing can be said; None where something can."""
    n, withheld = sums.rows, round(sums.totals[WITHHELD[1]])
    if withheld == 0:
        return "nothing was withheld: what would have been liked anyway is not known"
    if withheld < LEAST_WITHHELD or withheld == n:
        return f"{withheld:,} of {n:,} items were withheld; it takes {LEAST_WITHHELD}, and as many shown"
    if (apart := _apart(sums)) > UNBALANCED:
        return (
            f"the mean rank of withheld items is {sums.ratio(WITHHELD_RANK):.2f} and of shown ones "
            f"{sums.ratio(SHOWN_RANK):.2f}, {apart:.0f} standard errors apart: chance did not choose what was withheld"
        )
    if (few := confidence.too_few(sums)) is not None:
        return few
    of_withheld, of_shown = (float(sums.totals[amount]) for amount, _ in (WITHHELD, SHOWN))
    if min(of_withheld, of_shown) < LEAST_LIKES:
        return f"{of_shown:.0f} likes of shown and {of_withheld:.0f} of withheld items; it takes {LEAST_LIKES}"
    return None


def _apart(sums: UnitSums) -> float:
    """How many standard errors the mean ranks of withheld and shown items are apart."""
    error = math.sqrt(sum(sums.squares(sums.pull(ratio)) for ratio in (WITHHELD_RANK, SHOWN_RANK)))
    return abs(sums.ratio(WITHHELD_RANK) - sums.ratio(SHOWN_RANK)) / error if error > 0 else 0.0


measure: Final = Measure(NAME, Cells, state, figures)
