"""How honest the probabilities were: expected calibration error over the prequential record."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.predictor.ranking import TOP

BINS = 20


class Calibration:
    """For each scored like, TOP probabilities were published and at most one came true.

    ECE = sum over bins of |mean probability - frequency| weighted by the bin's share (Naeini et al., AAAI 2015).
    """

    def __init__(self) -> None:
        self.record = np.zeros(TOP + 1)
        self.count = np.zeros(BINS)
        self.claimed = np.zeros(BINS)
        self.came_true = np.zeros(BINS)

    def observe(self, ranks: npt.NDArray[np.int64]) -> None:
        """Ranks of one batch of scored likes (0 = not in the TOP); probabilities are those before the batch."""
        seen = self.record.sum()
        probability = (self.record[1:] + 0.5) / (seen + 0.5 * (TOP + 1))
        hits = np.bincount(ranks, minlength=TOP + 1)
        bins = np.minimum((np.sqrt(probability) * BINS).astype(np.int64), BINS - 1)
        np.add.at(self.count, bins, len(ranks))
        np.add.at(self.claimed, bins, probability * len(ranks))
        np.add.at(self.came_true, bins, hits[1:])
        self.record += hits

    def ece(self) -> float:
        total = self.count.sum()
        return float(np.abs(self.claimed - self.came_true).sum() / total) if total else 0.0
