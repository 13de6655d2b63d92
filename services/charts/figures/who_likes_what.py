"""Figure 13: who likes what: the label of who liked by the declared origin of what was liked.

Bits of pointwise mutual information say how much more often a label and an origin meet than chance would have it
(Church and Hanks 1990); assortativity how far machines like what AI made and people what people made (Newman, "Mixing
patterns in networks", Physical Review E 2003).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from services.charts import bootstrap
from services.charts.bootstrap import TOO_FEW
from services.charts.figures.declared import creators
from services.charts.hash_sample import I32
from services.charts.tallies import State, Tallies
from services.charts.tally import Tally
from shared.events import CONTENT_ORIGINS
from shared.labels import AGENT, BOT, HUMAN, LABELS, SUSPECT
from shared.measures.confidence import Interval
from shared.measures.figure import LEAST_PEOPLE, Figure, measured, not_identified, percent
from shared.measures.measure import Measure
from shared.measures.units import F64

NAME: Final = "who_likes_what"
UNKNOWN_ORIGIN, PEOPLES, AIS, MIXED = (CONTENT_ORIGINS.index(name) for name in ("unknown", "human", "ai", "mixed"))
PAIRS: Final = ((HUMAN, SUSPECT), (BOT, AGENT))
MACHINES: Final = [BOT, AGENT]
WOULD_TELL: Final = f"by it a label of fewer than {LEAST_PEOPLE} actors could be told"
OF: Final = {
    PEOPLES: "people's work",
    AIS: "AI-made work",
    MIXED: "work of people with AI",
    UNKNOWN_ORIGIN: "work of undeclared origin",
}


def figures(state: State) -> Iterator[Figure]:
    """By origin, the share of machines (label bot or agent) and of each label; assortativity; then creators."""
    whole = state.whole
    matrix, weights = whole.matrix().sum(axis=2), whole.matrix(weights=True).sum(axis=2)
    n = round(matrix[..., 0].sum())
    if n == 0:
        yield not_identified(NAME, {}, 0, "there are no likes")
        return
    seen = whole.matrix_seen().sum(axis=2)
    for origin in (AIS, PEOPLES, MIXED, UNKNOWN_ORIGIN):
        if matrix[:, origin, 0].any():
            yield from _of_origin(whole, origin, matrix, weights, seen)
    yield _assortativity(whole, matrix, seen)
    yield from creators(whole)


def _of_origin(whole: Tally, origin: int, matrix: F64, weights: F64, seen: I32) -> Iterator[Figure]:
    likes, n, units = matrix[:, origin], round(matrix[:, origin, 0].sum()), whole.people(origin)
    about = {"origin": CONTENT_ORIGINS[origin]}
    hidden = _hidden(seen[:, origin])
    machines = {"liked_by": "machines"} | about
    few = bootstrap.too_few(units)
    if few is not None or None in hidden:
        yield not_identified(NAME, machines, n if few is None else 0, few or TOO_FEW)
        return
    of, suspects = likes.sum(axis=0), float(likes[SUSPECT, 0]) / n
    found = bootstrap.of_share(likes[MACHINES].sum(axis=0), of, units)
    # Of machines and of others, likes whose origin nobody declared: all of them could be of this one.
    loose = matrix[:, UNKNOWN_ORIGIN, 0] if origin != UNKNOWN_ORIGIN else np.zeros(len(LABELS))
    by_machines, by_others = float(loose[MACHINES].sum()), float(loose[[HUMAN, SUSPECT]].sum())
    count = float(likes[MACHINES, 0].sum())
    bounds = {"least": count / (n + by_others), "most": (count + by_machines) / (n + by_machines)}
    also = "" if SUSPECT in hidden or not suspects else f"; {percent(suspects)} more are suspects"
    sentence = (
        f"{OF[origin][0].upper()}{OF[origin][1:]} gets {percent(found.value)} of its likes from machines "
        f"({percent(found.low)} to {percent(found.high)}){also}."
    )
    more = {"likes": n, "origin_undeclared": float(loose.sum() / (n + loose.sum())), **bounds}
    unknown = 0.0 if SUSPECT in hidden else suspects
    yield measured(NAME, machines, n, found, sentence, unknown_share=unknown, more=more)
    for label, name in enumerate(LABELS):
        if likes[label, 0] and label in hidden:
            yield not_identified(NAME, {"liked_by": name} | about, n, hidden[label])
        elif likes[label, 0]:
            found = bootstrap.of_share(likes[label], of, units)
            more = {"likes": round(likes[label, 0]), "weight": float(weights[label, origin, 0])}
            more |= _bits(matrix, label, origin, units)
            sentence = f"{percent(found.value)} of likes of {OF[origin]} are by actors who are called {name}."
            yield measured(NAME, {"liked_by": name} | about, n, found, sentence, more=more)


def _bits(matrix: F64, label: int, origin: int, units: int) -> dict[str, Any]:
    """log2 of how often they meet over how often they would by chance."""
    chance = matrix[label].sum(axis=0) * matrix[:, origin].sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = bootstrap.of_positive(matrix[label, origin] * matrix.sum(axis=(0, 1)) / chance, units)
    if found is None:
        return {"bits": None, "bits_low": None, "bits_high": None}
    bits = np.log2([found.value, found.low, found.high]).tolist()
    return dict(zip(("bits", "bits_low", "bits_high"), bits, strict=True))


def _hidden(seen: I32) -> dict[int | None, str]:
    """Of one origin, the labels that are not told of, and None where nothing is: of how many machines there are tells
    that of the others, and of a pair's one label the other.
    """
    hidden: dict[int | None, str] = {}
    for pair in PAIRS:
        who = {label: int(bootstrap.people(seen[label])) for label in pair if seen[label].any()}
        if who and int(bootstrap.people(seen[list(who)].sum(axis=0))) < LEAST_PEOPLE:
            hidden[None] = TOO_FEW
        if any(count < LEAST_PEOPLE for count in who.values()):
            hidden |= {label: TOO_FEW if count < LEAST_PEOPLE else WOULD_TELL for label, count in who.items()}
    return hidden


def _assortativity(whole: Tally, matrix: F64, seen: I32) -> Figure:
    about = {"of": "assortativity"}
    by_kind = np.stack([matrix[HUMAN], matrix[MACHINES].sum(axis=0)])[:, [PEOPLES, AIS]]
    known, n = round(by_kind[..., 0].sum()), round(matrix[..., 0].sum())
    units = whole.people()
    kinds = (seen[HUMAN], seen[MACHINES].sum(axis=0))
    who = [int(bootstrap.people(kind[[PEOPLES, AIS]].sum(axis=0))) for kind in kinds]
    if min(who) < LEAST_PEOPLE or not by_kind[..., 0].sum(axis=0).all():
        why = (
            f"it takes {LEAST_PEOPLE} people and {LEAST_PEOPLE} machines, and likes of what AI and of what people made"
        )
        return not_identified(NAME, about, known, why)
    if (few := bootstrap.too_few(units)) is not None:
        return not_identified(NAME, about, known, few)
    found = bootstrap.of_replicas(assortativity(by_kind), units)
    found = Interval(found.value, max(found.low, -1.0), min(found.high, 1.0))
    sentence = (
        f"Machines like what AI made, and people what people made, with an assortativity of {found.value:.2f} "
        f"({found.low:.2f} to {found.high:.2f}; 0 is chance, 1 nothing else)."
    )
    return measured(NAME, about, known, found, sentence, unknown_share=1 - known / n)


def assortativity(mixing: F64) -> F64:
    """Newman's r of counts by kind and kind, shape (k, k, ...), over the first two axes; 0 where all are of one."""
    e = mixing / np.maximum(mixing.sum(axis=(0, 1)), 1e-300)
    chance = (e.sum(axis=0) * e.sum(axis=1)).sum(axis=0)
    same = np.trace(e)
    return np.asarray(np.where(chance < 1, (same - chance) / np.maximum(1 - chance, 1e-300), 0.0), np.float64)


measure: Final = Measure[Tallies, State](NAME, State, Tallies.state, figures)
