"""Figure 10: how much of what the platform puts before people is of each language, over what there is of it.

Exposure is what was shown, where that is counted; else likes of what was recommended, which say less: they are called
likes' share. Over organic likes, over users of the language's locales, over supply. Only likes that teach count.

Steck, "Calibrated recommendations" (RecSys 2018): KL(p || (1 - alpha) q + alpha p) of the languages of organic likes
(p) and of what is exposed (q): 0 is the same mix, log2(1 / alpha) = 6.64 bits the most there can be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from services.charts import bootstrap
from services.charts.bootstrap import I64, REPLICAS
from services.charts.hash_sample import Sampled
from services.charts.spoken import LANGUAGES, OTHER, UNKNOWN
from services.charts.tallies import State, Tallies
from services.charts.tally import OWN, PUSHED, Tally
from shared.events import CONTENT_ORIGINS
from shared.measures.confidence import LEAST_UNITS, Interval
from shared.measures.figure import LEAST_PEOPLE, Figure, measured, not_identified
from shared.measures.measure import Measure
from shared.measures.units import F64

NAME: Final = "language_exposure"
LEAST_IMPRESSIONS: Final = 100
ALPHA: Final = 0.01
MOST_BITS: Final = math.log2(1 / ALPHA)
LIKES, SHOWN = "likes of what was recommended", "what was shown"
ORGANIC, USERS, SUPPLY = "organic likes", "users of its locales", "supply"
TEACHING: Final = len(CONTENT_ORIGINS)
TOO_FEW: Final = f"fewer than {LEAST_PEOPLE} people, whom it could tell of"
# Items of which the Gini coefficient is taken.
LEAST_ITEMS: Final = 10


@dataclass(frozen=True)
class Counted:
    """What likes cannot tell, where somebody counted it: items shown, and items that there are, by place in LANGUAGES,
    shapes (len(LANGUAGES),).
    """

    shown: I64 | None = None
    supply: I64 | None = None


NOTHING: Final = Counted()


def figures(state: State, counted: Counted = NOTHING) -> Iterator[Figure]:
    """By language, over each of the three; how far its items are apart; and calibration of all languages."""
    whole = state.whole
    likes, seen = whole.spoken()
    pushed, own = likes[:, PUSHED], likes[:, OWN]
    exposed = pushed if counted.shown is None else _alike(counted.shown)
    if not exposed[:, 0].any():
        yield not_identified(NAME, {}, 0, "nothing says what the platform put before people")
        return
    by = LIKES if counted.shown is None else SHOWN
    users, units = _users(whole), whole.people()
    unknown = float(exposed[UNKNOWN, 0] / exposed[:, 0].sum())
    for language in np.argsort(-exposed[:, 0], kind="stable").tolist():
        if language in (UNKNOWN, OTHER) or not (exposed[language, 0] or own[language, 0]):
            continue
        about = {"language": LANGUAGES[language], "exposure": by}
        few = _few(bootstrap.people(seen[language]), round(exposed[language, 0]), units, by)
        if few is not None:
            yield not_identified(NAME, about, *few)
            continue
        supply = None if counted.supply is None else _alike(counted.supply)
        for over, base in ((SUPPLY, supply), (ORGANIC, own), (USERS, users)):
            yield _over(exposed, base, language, about | {"over": over}, units, unknown)
        if counted.shown is None:
            yield of_items(whole.targets.of(language), about)
    yield _calibration(exposed, own, by, units, unknown)


def _alike(counts: I64) -> F64:
    """A count is no sample: it is the same in each replica."""
    return np.repeat(counts.astype(np.float64)[:, None], 1 + REPLICAS, axis=1)


def _users(whole: Tally) -> F64:
    """People by language of their locale, with replicas: their likes hang together with their being one."""
    found = np.zeros((len(LANGUAGES), 1 + REPLICAS))
    for locale in np.unique(whole.actors.group).tolist():
        sample = whole.actors.of(locale)
        who = sample.key[sample.sums[:, TEACHING] > 0]
        found[locale, 0] = len(who) * sample.stands_for
        found[locale, 1:] = bootstrap.draws(who).sum(axis=0) * sample.stands_for
    return found


def _few(people: I64, impressions: int, units: int, by: str) -> tuple[int, str] | None:
    """n and why, of a language of which nothing can be said. `people`: by way."""
    if people[OWN] < LEAST_PEOPLE or (by == LIKES and people[PUSHED] < LEAST_PEOPLE):
        return 0, TOO_FEW
    if impressions < LEAST_IMPRESSIONS:
        return impressions, f"insufficient: {impressions} impressions; it takes {LEAST_IMPRESSIONS}"
    return (impressions, f"{units} actors; it takes {LEAST_UNITS}") if units < LEAST_UNITS else None


def _over(exposed: F64, base: F64 | None, language: int, about: dict[str, Any], units: int, unknown: float) -> Figure:
    """The language's share of what is exposed over its share of `base`, among what is of a known language."""
    n, over = round(exposed[language, 0]), about["over"]
    if base is None:
        return not_identified(NAME, about, n, "nobody says how many items there are of each language")
    share = exposed[language] / exposed[OTHER:].sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = bootstrap.of_positive(share / (base[language] / base[OTHER:].sum(axis=0)), units)
    if found is None:
        return not_identified(NAME, about, n, f"too little is of {over} in this language to bound it")
    sentence = (
        f"Of {about['exposure']}, {about['language']} has {found.value:.2f} times its share of {over} "
        f"({found.low:.2f} to {found.high:.2f})."
    )
    return measured(NAME, about, n, found, sentence, unknown_share=unknown, more={"share": float(share[0])})


def _calibration(exposed: F64, own: F64, by: str, units: int, unknown: float) -> Figure:
    about, n = {"of": "calibration", "exposure": by}, round(own[OTHER:, 0].sum())
    if min(n, exposed[OTHER:, 0].sum()) < LEAST_IMPRESSIONS or units < LEAST_UNITS:
        why = f"it takes {LEAST_IMPRESSIONS} of {by} and of organic likes, and {LEAST_UNITS} actors"
        return not_identified(NAME, about, n, why)
    found = divergence(own[OTHER:], exposed[OTHER:])
    # Few likes are apart by chance; replicas once more as much as the likes themselves.
    value = min(max(2 * float(found[0]) - float(found[1:].mean()), 0.0), MOST_BITS)
    interval = bootstrap.of_replicas(found, units, value)
    interval = Interval(value, max(interval.low, 0.0), min(interval.high, MOST_BITS))
    sentence = (
        f"The languages of {by} are {interval.low:.3f} to {interval.high:.3f} bits away from those that people like by "
        f"themselves (at most {MOST_BITS:.2f})."
    )
    return measured(NAME, about, n, interval, sentence, unknown_share=unknown)


def divergence(p: F64, q: F64) -> F64:
    """Steck's, in bits, of counts by language, shapes (languages, ...), over the first axis."""
    p, q = (counts / np.maximum(counts.sum(axis=0), 1e-300) for counts in (p, q))
    smooth = (1 - ALPHA) * q + ALPHA * p
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log2(p / smooth), 0.0)
    return np.asarray(terms.sum(axis=0), np.float64)


def of_items(targets: Sampled, about: dict[str, Any]) -> Figure:
    """Of the items of a language that anybody liked, by likes of what was recommended."""
    about = about | {"of": "gini"}
    likes = targets.sums[targets.sums[:, 1] > 0, 0]
    n = len(likes)
    if n < LEAST_ITEMS or not likes.sum():
        return not_identified(NAME, about, n, f"{n} items; it takes {LEAST_ITEMS}")
    value = gini(likes)
    among = f"Among items in {about['language']}, {LIKES} have a Gini coefficient of {value:.2f}"
    if targets.whole:
        return Figure(NAME, about, n, f"{among} (0: all alike).", value, value, value, 1.0)
    without = _gini_without(likes)
    spread = math.sqrt((n - 1) / n * float(((without - without.mean()) ** 2).sum())) * bootstrap.reach(n, n)
    found = Interval(value, max(value - spread, 0.0), min(value + spread, 1.0))
    sentence = f"{among} ({found.low:.2f} to {found.high:.2f}; 0: all alike), by a sample of {n}."
    return measured(NAME, about, n, found, sentence, more={"stands_for": targets.stands_for})


def gini(amounts: I64) -> float:
    """0 where all have as much, near 1 where one has all; of whole numbers, shape (n,)."""
    n, whole = len(amounts), float(amounts.sum())
    return float(2 * (np.sort(amounts) * np.arange(1, n + 1)).sum() / (n * whole) - (n + 1) / n) if whole else 0.0


def _gini_without(amounts: I64) -> F64:
    """Without each of them in turn, shape (n,), in order of amount."""
    ordered, rank, n = np.sort(amounts), np.arange(1, len(amounts) + 1), len(amounts) - 1
    above = ordered[::-1].cumsum()[::-1] - ordered
    ranked = (ordered * rank).sum() - ordered * rank - above
    rest = ordered.sum() - ordered
    return np.where(rest > 0, 2 * ranked / (n * np.maximum(rest, 1)) - (n + 1) / n, 0.0)


measure: Final = Measure[Tallies, State](NAME, State, Tallies.state, figures)
