"""From places in a ranking to probabilities, and how honest those were.

The probability of a place is how often, among rankings as clear as this one, the next like was at that place lately:
isotonic regression over the places (pool adjacent violators, Ayer et al. 1955), drawn towards all rankings where
there are few. Probabilities change after every RECALIBRATED scored likes, wherever frames were cut.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from services.predictor.ranking import TOP
from shared.checkpoints import Arrays

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

RECALIBRATED: Final = 512
# What is left of the record each time: rankings get better as they learn, and the latest 2,500 likes tell how good.
FADING: Final = 0.8
# Rankings by how clear they are: the first candidate's share of all scores, in half doublings from 1 / 1024.
CLEARNESSES: Final = 20
# Places after the TOP, in groups that end here; after the last group: no candidate at all, and something new.
FARTHER: Final = np.array([40, 80, 160, 320, 640, 1280, 1 << 62])
UNRANKED: Final = TOP + len(FARTHER)
SOMETHING_NEW: Final = UNRANKED + 1
OUTCOMES: Final = SOMETHING_NEW + 1
# As many likes of all rankings are added to those of each clearness.
DRAWN_BY: Final = 32.0
BINS: Final = 40


def clearness(share: F64) -> I64:
    """Which of the CLEARNESSES the first candidate's share falls into. Shape as `share`, in (0, 1]."""
    half_doublings = 2 * np.log2(np.clip(share, 2.0 ** -(CLEARNESSES / 2), 1.0)) + CLEARNESSES
    return np.minimum(half_doublings.astype(np.int64), CLEARNESSES - 1)


def outcome(rank: I64) -> I64:
    """Which of the OUTCOMES a place is: the TOP one by one, then groups, 0 no candidate. Shape as `rank`."""
    far = TOP + np.searchsorted(FARTHER, rank)
    return np.where(rank == 0, UNRANKED, np.where(rank <= TOP, rank - 1, far))


def never_rising(values: F64) -> F64:
    """The non-increasing sequence closest to `values` (least squares), shape (n,)."""
    blocks: list[tuple[float, int]] = []
    for value in values.tolist():
        size = 1
        while blocks and blocks[-1][0] < value:
            mean, count = blocks.pop()
            value = (mean * count + value * size) / (count + size)
            size += count
        blocks.append((value, size))
    return np.repeat([mean for mean, _ in blocks], [size for _, size in blocks])


class Calibration:
    """The record of outcomes by clearness, the probabilities that follow from it, and their reliability.

    For each scored like, TOP probabilities had been stated and at most one came true. ECE = sum over bins of
    |mean probability - frequency| weighted by the bin's share (Naeini et al., AAAI 2015).
    """

    def __init__(self) -> None:
        self.record: F64 = np.zeros((CLEARNESSES, OUTCOMES))
        self.count: F64 = np.zeros(BINS)
        self.claimed: F64 = np.zeros(BINS)
        self.came_true: F64 = np.zeros(BINS)
        self.recalibrate()

    def recalibrate(self) -> None:
        """Take the record into the probabilities: `table`, shape (CLEARNESSES, OUTCOMES). Then it fades."""
        overall = self.record.sum(axis=0) + 0.5
        overall /= overall.sum()
        drawn = self.record + DRAWN_BY * overall
        self.table: F64 = drawn / drawn.sum(axis=1, keepdims=True)
        for row in self.table:
            row[:TOP] = never_rising(row[:TOP])
        self.record *= FADING

    def stated(self, clear: I64, outcomes: I64, candidates: I64) -> F64:
        """The probability of outcomes, given that nothing new came, among those that there are with so many candidates.
        Shapes (n,).
        """
        reached = np.cumsum(self.table, axis=1)[clear, outcome(candidates)]
        possible = np.where(candidates == 0, 0.0, reached) + self.table[clear, UNRANKED]
        found: F64 = self.table[clear, outcomes] / possible
        return found

    def observe(self, clear: I64, outcomes: I64) -> None:
        """Take in scored likes that the present probabilities were stated for, shapes (n,)."""
        came = np.zeros((CLEARNESSES, OUTCOMES))
        np.add.at(came, (clear, outcomes), 1)
        probability = self.table[:, :TOP]
        rankings = np.broadcast_to(came.sum(axis=1, keepdims=True), probability.shape)
        bins = np.minimum((np.sqrt(probability) * BINS).astype(np.int64), BINS - 1)
        np.add.at(self.count, bins, rankings)
        np.add.at(self.claimed, bins, probability * rankings)
        np.add.at(self.came_true, bins, came[:, :TOP])
        self.record += came

    def ece(self) -> float:
        total = self.count.sum()
        return float(np.abs(self.claimed - self.came_true).sum() / total) if total else 0.0

    def reliability(self) -> list[dict[str, float]]:
        """Each bin in use: how many probabilities were stated in it, their mean, and how often it came true."""
        return [
            {
                "stated": int(self.count[b]),
                "probability": float(self.claimed[b] / self.count[b]),
                "frequency": float(self.came_true[b] / self.count[b]),
            }
            for b in np.flatnonzero(self.count).tolist()
        ]

    def snapshot(self) -> dict[str, npt.NDArray[Any]]:
        return {
            "record": self.record.copy(),
            "table": self.table.copy(),
            "bins": np.stack([self.count, self.claimed, self.came_true]),
        }

    def restore(self, arrays: Arrays) -> None:
        # Snapshots of before do not tell what was new.
        self.record, self.table = (_widened(arrays[name]) for name in ("record", "table"))
        self.count, self.claimed, self.came_true = arrays["bins"].copy()


def _widened(columns: F64) -> F64:
    """With a column for each of the OUTCOMES."""
    return np.pad(columns, ((0, 0), (0, OUTCOMES - columns.shape[1])))
