"""The prequential record: how good the rankings were that each like was scored against (Gama et al. 2013)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from services.predictor.calibration import (
    ELSEWHERE,
    RECALIBRATED,
    Calibration,
    clearness,
    next_recalibration,
    outcome,
)
from services.predictor.forecasts import Rest
from services.predictor.ranking import TOP, Places
from shared.checkpoints import Arrays

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

# A window of the figures over time, in scored likes: whole recalibrations, so that no batch lies in two.
WINDOW: Final = 40 * RECALIBRATED
FIGURES: Final = ("predictions", "hr@10", "hr@20", "mrr@20", "surprise_bits")


@dataclass(frozen=True)
class Scored:
    """The scored likes of a batch: which they were (`at`, places in the batch), their place in the ranking before
    them (`rank`, 0: no candidate), and -log2 of the probability that was stated for what came; `p_popular`, `p_any`,
    `p_new`, `is_new`: as of `forecasts.Rest`. Shapes (n,).
    """

    at: I64
    rank: I64
    surprise_bits: F64
    p_popular: F64
    p_any: F64
    p_new: F64
    is_new: npt.NDArray[np.bool_]

    @property
    def p_history(self) -> F64:
        """How probable what came was, by the user's own history."""
        return np.exp2(-self.surprise_bits)


def sums(rank: I64, bits: F64) -> F64:
    """What figures are made of, shape (n, 5): likes, hits at 10, hits at 20, reciprocal ranks, bits."""
    hit = (rank > 0) & (rank <= TOP)
    columns = [np.ones(len(rank)), hit & (rank <= 10), hit, np.where(hit, 1.0 / np.maximum(rank, 1), 0.0), bits]
    return np.stack(columns, axis=1).astype(np.float64)


def figures(total: F64) -> dict[str, float]:
    """The FIGURES of summed `sums`, shape (5,)."""
    means = total / max(total[0], 1.0)
    return dict(zip(FIGURES, [int(total[0]), *means[1:].tolist()], strict=True))


class Prequential:
    """Figures over all likes and over the last whole window, with the calibration that states probabilities."""

    def __init__(self) -> None:
        self.calibration = Calibration()
        self.total: F64 = np.zeros(len(FIGURES))
        self.window: F64 = np.zeros(len(FIGURES))
        self.last_window: F64 = np.zeros(len(FIGURES))

    def observe(self, places: Places, rest: Rest) -> Scored:
        """Take in a batch in log order: where likes were, and what was stated besides of each. Shapes (n,)."""
        at = np.flatnonzero(places.rank >= 0)
        rank, candidates, rest = places.rank[at], places.candidates[at], rest.take(at)
        clear, came = clearness(places.clear[at]), np.where(rest.is_new | places.again[at], ELSEWHERE, outcome(rank))
        # What is in no place shares a probability.
        part_of = np.where(rank == 0, rest.among, 1.0)
        bits = np.empty(len(at))
        start = 0
        while start < len(at):
            part = slice(start, min(len(at), start + next_recalibration(int(self.total[0])) - int(self.total[0])))
            outcomes = clear[part], came[part], candidates[part], rest.unranked[part]
            bits[part] = -np.log2(rest.of_kind[part] * self.calibration.stated(*outcomes) * part_of[part])
            self.calibration.observe(*outcomes)
            self._add(sums(rank[part], bits[part]).sum(axis=0))
            start = part.stop
        return Scored(at, rank, bits, rest.p_popular, rest.p_any, rest.p_new, rest.is_new)

    def _add(self, found: F64) -> None:
        due = next_recalibration(int(self.total[0]))
        self.total += found
        self.window += found
        if int(self.total[0]) == due:
            self.calibration.recalibrate()
        if int(self.total[0]) % WINDOW == 0:
            self.last_window, self.window = self.window, np.zeros(len(FIGURES))

    def report(self) -> dict[str, Any]:
        latest = self.last_window if self.last_window[0] else self.window
        return {
            **figures(self.total),
            "ece": self.calibration.ece(),
            "window": figures(latest),
            "reliability": self.calibration.reliability(),
        }

    def snapshot(self) -> dict[str, npt.NDArray[Any]]:
        return {"figures": np.stack([self.total, self.window, self.last_window]), **self.calibration.snapshot()}

    def restore(self, arrays: Arrays) -> None:
        self.total, self.window, self.last_window = arrays["figures"].copy()
        self.calibration.restore(arrays)


class ByGroup:
    """Figures for each of a bounded number of named groups (languages, surfaces); what is beyond counts as other."""

    MOST: Final = 64
    OTHER: Final = "other"

    def __init__(self) -> None:
        self.names: list[str] = [self.OTHER]
        self.total: F64 = np.zeros((self.MOST, len(FIGURES)))

    def observe(self, names: list[str], codes: I64, rank: I64, bits: F64) -> None:
        """Take in scored likes, shapes (n,); like i belongs to the group `names[codes[i]]`."""
        table = np.zeros(max(len(names), 1), np.int64)
        for code in np.unique(codes).tolist():
            table[code] = self.number(names[code])
        np.add.at(self.total, table[codes], sums(rank, bits))

    def number(self, name: str) -> int:
        """A group's row, a new one where there is room."""
        if name in self.names:
            return self.names.index(name)
        if len(self.names) == self.MOST:
            return 0
        self.names.append(name)
        return len(self.names) - 1

    def restore(self, names: list[str], total: F64) -> None:
        self.names, self.total = names, total.copy()

    def report(self) -> dict[str, dict[str, float]]:
        return {name: figures(row) for name, row in zip(self.names, self.total, strict=False) if row[0]}


def gini(counts: npt.NDArray[Any]) -> float:
    """Gini coefficient of counts, shape (n,): 0 all alike, 1 all in one."""
    ordered = np.sort(counts).astype(np.float64)
    total = ordered.sum()
    if total == 0:
        return 0.0
    place = np.arange(1, len(ordered) + 1)
    return float((2 * (place * ordered).sum() / total - len(ordered) - 1) / len(ordered))
