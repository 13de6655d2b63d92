"""A made world looked at all along: whether a figure's interval held what was planted at every look together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from services.choice.log import Log
from shared.measures.figure import Figure
from truelike.evaluation.choice_world import BEGIN_MS, DAY_MS

Row = dict[str, Any]
Looked = tuple[str, Row]
Measure = Callable[[Log], Iterator[Figure]]

# Looks, in shares of the stream: an interval must hold the truth at all of them.
LOOKS: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
# Of so many worlds the intervals are in the report, for pictures.
DRAWN: Final = 100


def moments(days: int, looks: Sequence[float] = LOOKS) -> list[int]:
    """When a world of so many days is looked at, ms."""
    return [BEGIN_MS + round(look * days * DAY_MS) for look in looks]


def looked_at(
    logs: Sequence[Log],
    measures: Sequence[Measure],
    name: Callable[[Figure], str | None],
    truth: Callable[[Figure, Log], float],
) -> Iterator[Looked]:
    """Of each figure that has a name, what `row` says of its looks."""
    seen: dict[str, list[tuple[Figure, float]]] = defaultdict(list)
    for log in logs:
        for figure in (figure for measure in measures for figure in measure(log)):
            if (of := name(figure)) is not None:
                seen[of].append((figure, truth(figure, log)))
    for of, found in seen.items():
        yield of, row([figure for figure, _ in found], [true for _, true in found])


def row(figures: Sequence[Figure], truths: Sequence[float]) -> Row:
    """Whether the figure was identified at the last look, and held its truth at every one; and what it said last."""
    pairs = zip(figures, truths, strict=True)
    said = [(f.low, true, f.high) for f, true in pairs if f.low is not None and f.high is not None]
    last = figures[-1]
    return {
        "identified": last.identified,
        "looks": len(said),
        "held": all(low <= true <= high for low, true, high in said),
        "value": last.value,
        "low": last.low,
        "high": last.high,
        "truth": truths[-1],
    }


def summary(name: str, rows: Sequence[Row]) -> Row:
    """Over worlds, a row each: in how many the figure was identified at the end, how often it held at every look."""
    said = [row for row in rows if row["looks"]]
    last = [row for row in rows if row["identified"]]
    median = float(np.median([row["high"] - row["low"] for row in last])) if last else None
    return {
        "figure": name,
        "seeds": len(rows),
        "identified": len(last),
        "coverage": sum(row["held"] for row in said) / len(said) if said else None,
        "median_width": median,
        "mean_value": float(np.mean([row["value"] for row in last])) if last else None,
        "mean_truth": float(np.mean([row["truth"] for row in last])) if last else None,
        "intervals": [[row["low"], row["high"], row["truth"]] for row in last[:DRAWN]],
    }
