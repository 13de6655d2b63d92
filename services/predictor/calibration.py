"""How honest the probabilities were: expected calibration error over the prequential record."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.predictor.ranking import TOP

BINS = 20


def probabilities_of(record: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The probability of each place in a ranking, from how often the next like was at each, shape (TOP + 1,), entry
    0 being "nowhere". Never rising from place to place: isotonic regression, pool adjacent violators (Ayer et al.
    1955).
    """
    blocks: list[tuple[float, int]] = []
    for hits in (record[1:] + 0.5).tolist():
        size = 1
        while blocks and blocks[-1][0] < hits:
            mean, count = blocks.pop()
            hits = (mean * count + hits * size) / (count + size)
            size += count
        blocks.append((hits, size))
    pooled = np.repeat([mean for mean, _ in blocks], [size for _, size in blocks])
    found: npt.NDArray[np.float64] = pooled / (record.sum() + 0.5 * len(record))
    return found


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
        probability = probabilities_of(self.record)
        hits = np.bincount(ranks, minlength=TOP + 1)
        bins = np.minimum((np.sqrt(probability) * BINS).astype(np.int64), BINS - 1)
        np.add.at(self.count, bins, len(ranks))
        np.add.at(self.claimed, bins, probability * len(ranks))
        np.add.at(self.came_true, bins, hits[1:])
        self.record += hits

    def ece(self) -> float:
        total = self.count.sum()
        return float(np.abs(self.claimed - self.came_true).sum() / total) if total else 0.0
