"""Figure 11: of people, how many are called bots, by locale and by language: whom the detector wrongs most.

Labels are reviewers', of actors drawn independently of the verdict; each interval of a group is at alpha / L. The share
of bots corrected by what reviews say of both mistakes: Rogan and Gladen, "Estimating prevalence from the results of a
screening test", American Journal of Epidemiology 1978.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

import numpy as np

from services.charts import bernoulli
from services.charts.bootstrap import I64
from services.charts.reviews import BOT_FOUND, BY, CALLED, PERSON, SAID_NO, Reviews
from services.charts.spoken import LANGUAGES, UNKNOWN
from shared.measures.confidence import LEVEL, Interval
from shared.measures.figure import LEAST_PEOPLE, Figure, measured, not_identified, percent
from shared.measures.measure import Measure

NAME: Final = "wrongly_called_bot"
TOO_FEW: Final = f"fewer than {LEAST_PEOPLE} reviewed people, whom it could tell of"


def figures(state: Reviews) -> Iterator[Figure]:
    """By locale and by language, each group's rate and the greatest gap; of all; and the corrected share of bots."""
    everyone = state.counts[0].sum(axis=0)
    n = int(everyone.sum())
    if not n:
        why = "there are no reviews"
        if state.left_out:
            why = f"all {state.left_out:,} reviews were of actors chosen by their verdict"
        elif state.unseen:
            why = f"all {state.unseen:,} reviews are of actors of whom no like stands"
        yield not_identified(NAME, {}, 0, why)
        return
    people = everyone[PERSON]
    if people.sum() < LEAST_PEOPLE:
        yield not_identified(NAME, {}, 0, TOO_FEW)
        return
    found = bernoulli.interval(int(people[CALLED]), int(people.sum()))
    more = {"left_out": state.left_out, "unseen": state.unseen}
    sentence = f"Of people, {percent(found.value)} are called bots ({percent(found.low)} to {percent(found.high)})."
    yield measured(NAME, {"by": "all"}, int(people.sum()), found, sentence, more=more)
    for by, name in enumerate(BY):
        yield from _by_group(state.counts[by, :, PERSON], name)
    yield _corrected(state, everyone)


def _by_group(people: I64, by: str) -> Iterator[Figure]:
    """`people`: by group and whether they were called bots, shape (len(LANGUAGES), 2)."""
    sizes = people.sum(axis=1)
    groups = [group for group in np.flatnonzero(sizes).tolist() if group != UNKNOWN]
    told = [group for group in groups if sizes[group] >= LEAST_PEOPLE]
    unknown, n = float(sizes[UNKNOWN] / sizes.sum()), int(sizes.sum())
    level = 1 - (1 - LEVEL) / max(len(told), 1)
    intervals = {group: bernoulli.interval(int(people[group, CALLED]), int(sizes[group]), level) for group in told}
    for group in groups:
        about = {"by": by, by: LANGUAGES[group]}
        if group not in intervals:
            yield not_identified(NAME, about, 0, TOO_FEW)
            continue
        found = intervals[group]
        sentence = (
            f"Of people of the {by} {LANGUAGES[group]}, {percent(found.value)} are called bots ({percent(found.low)} "
            f"to {percent(found.high)})."
        )
        yield measured(NAME, about, int(sizes[group]), found, sentence, level=level, unknown_share=unknown)
    yield _gap(intervals, by, n, unknown)


def _gap(intervals: dict[int, Interval], by: str, n: int, unknown: float) -> Figure:
    about = {"by": by, "of": "greatest gap"}
    if len(intervals) < 2:
        return not_identified(NAME, about, n, f"it takes two groups of {LEAST_PEOPLE} reviewed people")
    most = max(intervals, key=lambda group: intervals[group].value)
    least = min(intervals, key=lambda group: intervals[group].value)
    found = Interval(
        intervals[most].value - intervals[least].value,
        max(max(of.low for of in intervals.values()) - min(of.high for of in intervals.values()), 0.0),
        max(of.high for of in intervals.values()) - min(of.low for of in intervals.values()),
    )
    low, high = (f"{100 * edge:.1f}" for edge in (found.low, found.high))
    sentence = (
        f"People of one {by} are called bots more often than those of another by {low} to {high} points of a hundred, "
        f"most in {LANGUAGES[most]}, least in {LANGUAGES[least]} as far as is seen."
    )
    return measured(NAME, about, n, found, sentence, unknown_share=unknown)


def _corrected(state: Reviews, everyone: I64) -> Figure:
    about, n = {"of": "bots, corrected"}, int(everyone.sum())
    bots = everyone[BOT_FOUND]
    if bots.sum() < LEAST_PEOPLE:
        return not_identified(NAME, about, 0, f"reviewers found fewer than {LEAST_PEOPLE} bots")
    judged, called = (state.judged, state.called) if state.judged else (n, int(everyone[:, CALLED].sum()))
    level = 1 - (1 - LEVEL) / 3
    share = bernoulli.interval(called, judged, level)
    sensitivity = bernoulli.interval(int(bots[CALLED]), int(bots.sum()), level)
    specificity = bernoulli.interval(int(everyone[PERSON, SAID_NO]), int(everyone[PERSON].sum()), level)
    if sensitivity.low + specificity.low <= 1:
        return not_identified(NAME, about, n, "by the reviews verdicts may be no better than chance")
    # It only rises or only falls with each of them, so that its ends are at theirs.
    corners = [
        rogan_gladen(*corner) for corner in product(*((of.low, of.high) for of in (share, sensitivity, specificity)))
    ]
    value = rogan_gladen(share.value, sensitivity.value, specificity.value)
    found = Interval(value, min(corners), max(corners))
    sentence = (
        f"{percent(share.value)} of actors are called bots; by what reviewers found of both mistakes, between "
        f"{percent(found.low)} and {percent(found.high)} are."
    )
    more = {"called": share.value, "sensitivity": sensitivity.value, "specificity": specificity.value}
    return measured(NAME, about, n, found, sentence, more=more)


def rogan_gladen(called: float, sensitivity: float, specificity: float) -> float:
    """The share of bots, from that of those who are called so; a share also where chance says otherwise."""
    return min(max((called + specificity - 1) / (sensitivity + specificity - 1), 0.0), 1.0)


def _itself(reviews: Reviews) -> Reviews:
    return reviews


measure: Final = Measure[Reviews, Reviews](NAME, Reviews, _itself, figures)
