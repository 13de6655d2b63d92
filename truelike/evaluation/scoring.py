"""Measures of a detector: precision, recall, average precision, calibration. Pure."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from truelike.evaluation.columns import I64, Bools

F64 = npt.NDArray[np.float64]

BINS: Final = 10


def precision_recall(called: Bools, true: Bools) -> tuple[float | None, float | None]:
    """None where nothing was called, or nothing was there to be called."""
    hit = int((called & true).sum())
    return (hit / int(called.sum()) if called.any() else None), (hit / int(true.sum()) if true.any() else None)


def average_precision(score: F64, true: Bools) -> float | None:
    """Mean of the precision at each threshold, weighed by the recall that it adds. Who has equal scores is called
    together (as scikit-learn does), so that the order of ties does not matter.
    """
    if not true.any():
        return None
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.r_[np.diff(score[order]) != 0, True])
    hits = np.cumsum(true[order])[ends]
    return float(np.sum(np.diff(np.r_[0, hits]) * hits / (ends + 1)) / true.sum())


def reliability(probability: F64, happened: Bools, bins: int = BINS) -> list[dict[str, Any]]:
    """For each bin of stated probabilities that has any: how many, the mean stated, and how often it happened."""
    bin_of = np.minimum((probability * bins).astype(np.int64), bins - 1)
    found = []
    for b in np.unique(bin_of):
        mine = bin_of == b
        found.append(
            {
                "likes": int(mine.sum()),
                "stated": float(probability[mine].mean()),
                "people": float(happened[mine].mean()),
            }
        )
    return found


def merged(tables: list[list[dict[str, Any]]], bins: int = BINS) -> list[dict[str, Any]]:
    """Reliability over several streams: bins weighed by likes."""
    by_bin: dict[int, list[dict[str, Any]]] = {}
    for row in (row for table in tables for row in table):
        by_bin.setdefault(min(int(row["stated"] * bins + 1e-9), bins - 1), []).append(row)
    found = []
    for _, rows in sorted(by_bin.items()):
        count = sum(row["likes"] for row in rows)
        means = {name: sum(row[name] * row["likes"] for row in rows) / count for name in ("stated", "people")}
        found.append({"likes": count, **means})
    return found


def ece(table: list[dict[str, Any]]) -> float | None:
    """Expected calibration error (Naeini, Cooper, Hauskrecht, AAAI 2015) of a reliability table."""
    count = sum(row["likes"] for row in table)
    return sum(row["likes"] * abs(row["stated"] - row["people"]) for row in table) / count if count else None


def by_actor(actor: I64, count: int, label: npt.NDArray[Any], probability: F64) -> tuple[npt.NDArray[np.int8], F64]:
    """The worst label that each actor's likes have, and their least probability. Shapes (count,)."""
    worst = np.zeros(count, np.int8)
    np.maximum.at(worst, actor, label)
    least = np.ones(count)
    np.minimum.at(least, actor, probability)
    return worst, least
