"""Figure 7: how much of what models learn from was made, or liked, by models; and what a day's likes still hold.

With a share s of each generation's training data from the model itself, its errors grow by at most 1 / (1 - s) in the
limit (Taori and Hashimoto, "Data feedback loops: model-driven amplification of dataset biases", ICML 2023). What
people made keeps it finite as long as it is kept (Gerstgrasser et al., "Is model collapse inevitable?", 2024); that
variance and entropy fall comes first (Shumailov et al., Nature 2024).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from services.charts import bootstrap
from services.charts.bootstrap import I64
from services.charts.figures.who_likes_what import AIS, MACHINES, MIXED, UNKNOWN_ORIGIN
from services.charts.periods import DAY_MS
from services.charts.tallies import State, Tallies
from services.charts.tally import ACTOR_PARTS, CONTENT_PARTS, PUSHED, Tally
from shared.labels import HUMAN, SUSPECT
from shared.measures.confidence import Interval
from shared.measures.figure import Figure, measured, not_identified, percent
from shared.measures.measure import Measure
from shared.measures.units import F64

NAME: Final = "loop"
FEEDS: Final = {"every like": False, "trusted likes": True}
NOT_APART: Final = "no arms were retrained apart: what the loop causes is not known from likes"
# Fewer likes of a day tell nothing of their entropy.
LEAST_LIKES: Final = 1_000


def figures(state: State) -> Iterator[Figure]:
    """s of both feeds, then by day what is left of people; the causal gain, which a running service cannot know."""
    whole = state.whole
    if not whole.matrix()[..., 0].any():
        yield not_identified(NAME, {}, 0, "there are no likes")
        return
    for feed, weights in FEEDS.items():
        yield _share(whole, feed, whole.matrix(weights))
    for day, tally in sorted(state.days.items()):
        yield from _of_day(tally, datetime.fromtimestamp(day * DAY_MS / 1000, UTC).date().isoformat())
    yield not_identified(NAME, {"of": "causal gain"}, 0, NOT_APART)


def _share(whole: Tally, feed: str, by_way: F64) -> Figure:
    """`by_way`: by label, origin, way and replica."""
    about = {"of": "share", "feed": feed}
    n, units = round(whole.matrix()[..., 0].sum()), whole.people()
    if (few := bootstrap.too_few(units)) is not None:
        return not_identified(NAME, about, n, few)
    matrix = by_way.sum(axis=2)
    of = matrix.sum(axis=(0, 1))
    if not of[0]:
        return not_identified(NAME, about, n, "no like weighs anything")
    others = matrix[[HUMAN, SUSPECT]]
    mine = matrix[MACHINES].sum(axis=(0, 1)) + others[:, AIS].sum(axis=0)
    # Origins that are not declared, and mixed ones; where all likes count as much, also those of suspects.
    unknown = others[:, [UNKNOWN_ORIGIN, MIXED]].sum(axis=(0, 1))
    if not FEEDS[feed]:
        unknown = unknown + matrix[SUSPECT].sum(axis=0) - matrix[SUSPECT, [UNKNOWN_ORIGIN, MIXED, AIS]].sum(axis=0)
    least, most = bootstrap.of_share(mine, of, units), bootstrap.of_share(mine + unknown, of, units)
    undeclared = float(others[:, UNKNOWN_ORIGIN, 0].sum())
    value = float(mine[0]) / (float(of[0]) - undeclared) if of[0] > undeclared else float(mine[0] / of[0])
    found = Interval(value, least.low, most.high)
    known = f"s is between {percent(found.low)} and {percent(found.high)}" if unknown[0] else _said(found)
    sentence = (
        f"Of what is learnt from {feed}, {known} AI-made or AI-liked: errors that a model makes come back "
        f"{_times(_ceiling(found.high))} as large, in the limit."
    )
    pushed = float(by_way[:, AIS, PUSHED, 0].sum() / of[0])
    ceilings = {"ceiling": _ceiling(value), "ceiling_low": _ceiling(found.low), "ceiling_high": _ceiling(found.high)}
    more = {**ceilings, "recommended_and_ai_made": pushed}
    return measured(NAME, about, n, found, sentence, unknown_share=float(unknown[0] / of[0]), more=more)


def _said(found: Interval) -> str:
    return f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)}) is"


def _ceiling(s: float) -> float | None:
    """None where nothing bounds it."""
    return 1 / (1 - s) if s < 1 else None


def _times(ceiling: float | None) -> str:
    return "perhaps any number of times" if ceiling is None else f"at most {ceiling:.2f} times"


def _of_day(tally: Tally, day: str) -> Iterator[Figure]:
    by_label = tally.matrix().sum(axis=(1, 2))
    n, units = round(by_label[:, 0].sum()), tally.people()
    few = bootstrap.too_few(units) if n else "there are no likes"
    if few is not None:
        yield not_identified(NAME, {"of": "day", "day": day}, 0, few)
        return
    kept = float(by_label[HUMAN, 0])
    sentence = f"Of {n:,} likes of {day}, {round(kept):,} are people's ({percent(kept / n)})."
    unknown = float(by_label[SUSPECT, 0]) / n
    yield Figure(NAME, {"of": "human likes kept", "day": day}, n, sentence, kept, kept, kept, 1.0, unknown)
    of = by_label.sum(axis=0)
    mean, square = tally.scores() / np.maximum(of, 1)
    about: dict[str, Any] = {"of": "variance of like scores", "day": day}
    found = _not_below(bootstrap.of_replicas(square - mean**2, units), 0.0)
    sentence = f"The human probabilities of likes of {day} have a variance of {found.value:.4f}."
    yield measured(NAME, about, n, found, sentence)
    yield _entropy(tally.content, units, day)


def _entropy(content: I64, units: int, day: str) -> Figure:
    about = {"of": "entropy of content", "day": day}
    n = int(content.sum())
    if n < LEAST_LIKES or not content.any(axis=1).all():
        return not_identified(NAME, about, n, f"{n:,} likes that teach; it takes {LEAST_LIKES:,}")
    found = content_entropy(content, units)
    sentence = (
        f"What is liked on {day} has {found.value:.2f} bits of entropy ({found.low:.2f} to {found.high:.2f}), content "
        f"put into {CONTENT_PARTS} parts by hash."
    )
    return measured(NAME, about, n, found, sentence, more={"most_bits": math.log2(CONTENT_PARTS)})


def content_entropy(content: I64, units: int) -> Interval:
    """In bits, of likes by part of the actors and of the content: jackknife over the parts of the actors, which also
    takes off that few likes look less varied than their content (Quenouille 1956; Kott 2001 for groups).
    """
    whole = _bits(content.sum(axis=0))
    without = np.array([_bits(content.sum(axis=0) - part) for part in content])
    parts = len(content)
    value = parts * whole - (parts - 1) * float(without.mean())
    error = math.sqrt((parts - 1) / parts * float(((without - without.mean()) ** 2).sum()))
    spread = error * bootstrap.reach(units, ACTOR_PARTS)
    return Interval(value, max(value - spread, 0.0), min(value + spread, math.log2(CONTENT_PARTS)))


def _bits(counts: I64) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())


def _not_below(found: Interval, least: float) -> Interval:
    return Interval(found.value, max(found.low, least), found.high)


measure: Final = Measure[Tallies, State](NAME, State, Tallies.state, figures)
