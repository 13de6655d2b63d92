"""Figure 4: how many of the likes of what was shown would not have been without its being shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from services.choice import confidence
from services.choice.figure import Figure, measured, not_identified
from services.choice.log import F64, Bools, Log, Shown
from services.choice.moments import outcomes
from services.choice.units import Units
from shared.exposures import HOLDOUT, NO_ARM

NAME: Final = "caused_share"
# Fewer withheld items, or likes on either side, bound nothing.
LEAST_WITHHELD: Final = 100
LEAST_LIKES: Final = 20
# Standard errors that shown and withheld items' mean ranks may be apart before chance is no explanation.
UNBALANCED: Final = 5.0


def measure(log: Log) -> Iterator[Figure]:
    """1 - mu0 / mu1 and mu1 - mu0, by policy and by what chance chose: items, or people. mu: likes on any surface,
    within the attribution window, of an item that was shown (1), of one that was chosen and kept back by chance (0).
    """
    if not len(log.shown):
        yield not_identified(NAME, {}, 0, "there are no exposures")
    shown = log.matured
    # What an item of an experiment on users would have done is known of those who were shown, or were not, all.
    in_arms = shown.arm != NO_ARM
    for policy, name in enumerate(log.policies):
        mine = shown.policy == policy
        of_items, of_users = mine & ~in_arms, mine & in_arms & (shown.withheld == (shown.arm == HOLDOUT))
        for unit, rows in (("item", of_items), ("user", of_users)):
            if unit == "user" and not (mine & in_arms).any():
                continue
            yield _of(shown.take(rows), log, {"policy": name, "withheld_by": unit})


def _of(shown: Shown, log: Log, about: dict[str, Any]) -> Figure:
    withheld, n = int(shown.withheld.sum()), len(shown)
    if withheld == 0:
        return not_identified(NAME, about, n, "nothing was withheld: what would have been liked anyway is not known")
    if withheld < LEAST_WITHHELD or withheld == n:
        what = f"{withheld:,} of {n:,} items were withheld; it takes {LEAST_WITHHELD}, and as many shown"
        return not_identified(NAME, about, n, what)
    liked = outcomes(shown, log.likes)
    if (apart := _apart(shown)) > UNBALANCED:
        ranks = [float(shown.rank[which].mean()) for which in (shown.withheld, ~shown.withheld)]
        what = (
            f"the mean rank of withheld items is {ranks[0]:.2f} and of shown ones {ranks[1]:.2f}, {apart:.0f} standard "
            "errors apart: chance did not choose what was withheld"
        )
        return not_identified(NAME, about, n, what)
    units = Units(shown.actor)
    if units.too_few:
        return not_identified(NAME, about, n, units.too_few)
    sums = _sums(units, liked, shown.withheld)
    if min(sums[0].sum(), sums[2].sum()) < LEAST_LIKES:
        what = f"{sums[2].sum():.0f} likes of shown and {sums[0].sum():.0f} of withheld items; it takes {LEAST_LIKES}"
        return not_identified(NAME, about, n, what)
    ratio = confidence.of_ratio(*sums)
    if ratio is None:
        return not_identified(NAME, about, n, "the likes are too few to bound it")
    uplift = confidence.of_difference(*sums[2:], *sums[:2])
    share = confidence.Interval(1 - ratio.value, 1 - ratio.high, 1 - ratio.low)
    shares = f"Of 100 likes of what {about['policy']} showed, {_between(share)}"
    sentence = f"{shares} would not have been given had it not been shown."
    more = {"uplift": uplift.value, "uplift_low": uplift.low, "uplift_high": uplift.high}
    rates = {"liked_if_shown": sums[2].sum() / sums[3].sum(), "liked_if_withheld": sums[0].sum() / sums[1].sum()}
    return measured(NAME, about, n, share, sentence, more={**more, **{k: float(v) for k, v in rates.items()}})


def _between(share: confidence.Interval) -> str:
    """In likes of 100. Less than none: showing keeps people from liking."""
    if share.low > 0:
        return f"between {100 * share.low:.0f} and {100 * share.high:.0f}"
    return f"at most {100 * share.high:.0f}, and perhaps none," if share.high > 0 else "none"


def _sums(units: Units, liked: F64, withheld: Bools) -> tuple[F64, F64, F64, F64]:
    """By person: likes and number of withheld items, and of shown ones."""
    return (
        units.sums(liked * withheld),
        units.sums(withheld),
        units.sums(liked * ~withheld),
        units.sums(~withheld),
    )


def _apart(shown: Shown) -> float:
    """How many standard errors the mean ranks of withheld and shown items are apart."""
    means, variances = [], []
    units = Units(shown.actor)
    for which in (shown.withheld, ~shown.withheld):
        count = units.sums(which)
        mean = shown.rank[which].mean()
        means.append(mean)
        variances.append(((units.sums(shown.rank * which) - mean * count) ** 2).sum() / count.sum() ** 2)
    error = np.sqrt(sum(variances))
    return float(abs(means[0] - means[1]) / error) if error > 0 else 0.0
