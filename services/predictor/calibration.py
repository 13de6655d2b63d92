"""From places in a ranking to probabilities, and how honest those were.

The probability of one of the TOP places is how often, among rankings as clear as this one, the next like was there
lately: isotonic regression over the places (pool adjacent violators, Ayer et al. 1955), drawn towards all rankings
where there are few. Probabilities change after every RECALIBRATED scored likes, wherever frames were cut.

What is left goes to the places farther out and to what is in none. How many there are of these differs from ranking to
ranking and changes as a catalogue fills. So each *place* of a group has a weight, and so has each thing in no place; a
ranking's weights, times how many it has of each, add up to what is left (a multinomial logit; weights by
minorisation-maximisation, Hunter 2004, a step at each recalibration).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from services.predictor.ranking import TOP
from shared.checkpoints import Arrays

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

RECALIBRATED: Final = 256
# At first sooner, after doublings: before the first time, every outcome is stated alike.
FIRST: Final = 32
# What is left of the record each time: rankings get better as they learn, and the latest 1,280 likes tell how good.
FADING: Final = 0.8
# Rankings by how clear they are: the first candidate's share of all scores, in half doublings from 1 / 1024.
CLEARNESSES: Final = 20
# Places after the TOP, in groups that end here; after the last group: no candidate at all, and what no ranking can
# hold, something new or what its user had liked before.
FARTHER: Final = np.array([40, 80, 160, 320, 640, 1280, 1 << 62])
UNRANKED: Final = TOP + len(FARTHER)
ELSEWHERE: Final = UNRANKED + 1
OUTCOMES: Final = ELSEWHERE + 1
# Those that have weights: groups of places, and no candidate.
FAR: Final = slice(TOP, ELSEWHERE)
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


@njit(cache=True)
def next_recalibration(scored: int) -> int:
    """How many likes are scored when probabilities change next."""
    doubled = FIRST
    while doubled <= scored:
        doubled *= 2
    return min(doubled, RECALIBRATED * (scored // RECALIBRATED + 1))


@njit(cache=True)
def size_of(group: int, candidates: int, unranked: int) -> int:
    """How many of a group (FARTHER, then no candidate) there are for a ranking of so many candidates."""
    if group == len(FARTHER):
        return unranked
    beginning = TOP if group == 0 else FARTHER[group - 1]
    return max(min(candidates, FARTHER[group]) - beginning, 0)


@njit(cache=True)
def total_of(weight: Any, candidates: int, unranked: int) -> float:
    """What all weigh that are beyond the TOP of a ranking, by the `weight` of one of each group."""
    total = 0.0
    for group in range(len(weight)):
        total += weight[group] * size_of(group, candidates, unranked)
    return total


@njit(cache=True)
def left_by_top(row: Any, candidates: int) -> float:
    """What a row of the table leaves to what is beyond the TOP, nothing new coming and nothing again."""
    left: float = 1.0 - row[: min(candidates, TOP)].sum() / (1.0 - row[ELSEWHERE])
    return left


@njit(cache=True)
def never_rising(values: Any) -> Any:
    """The non-increasing sequence closest to `values` (least squares), shape (n,)."""
    mean, size, blocks = np.zeros(len(values)), np.zeros(len(values), np.int64), 0
    for value in values:
        mean[blocks], size[blocks] = value, 1
        while blocks > 0 and mean[blocks - 1] < mean[blocks]:
            both = size[blocks - 1] + size[blocks]
            mean[blocks - 1] = (mean[blocks - 1] * size[blocks - 1] + mean[blocks] * size[blocks]) / both
            size[blocks - 1] = both
            blocks -= 1
        blocks += 1
    return np.repeat(mean[:blocks], size[:blocks])


@njit(cache=True)
def _state(clear: Any, outcomes: Any, candidates: Any, unranked: Any, table: Any, weight: Any, stated: Any) -> None:
    for i in range(len(outcomes)):
        row, far, group = table[clear[i]], weight[clear[i]], outcomes[i] - TOP
        if group < 0:
            stated[i] = row[outcomes[i]] / (1.0 - row[ELSEWHERE])
        elif outcomes[i] <= UNRANKED:
            share = far[group] / total_of(far, candidates[i], unranked[i])
            # What is in no place shares among itself.
            stated[i] = left_by_top(row, candidates[i]) * share * (unranked[i] if outcomes[i] == UNRANKED else 1)


@njit(cache=True)
def _record(clear: Any, outcomes: Any, candidates: Any, unranked: Any, weight: Any, record: Any, offered: Any) -> None:
    """One by one: what is left of a faded record would round otherwise where frames are cut otherwise."""
    for i in range(len(outcomes)):
        record[clear[i], outcomes[i]] += 1.0
        if TOP <= outcomes[i] <= UNRANKED:
            total = total_of(weight[clear[i]], candidates[i], unranked[i])
            for group in range(weight.shape[1]):
                offered[clear[i], group] += size_of(group, candidates[i], unranked[i]) / total


@njit(cache=True)
def _straighten(table: Any) -> None:
    for row in table:
        row[:TOP] = never_rising(row[:TOP])


class Calibration:
    """The record of outcomes by clearness, the probabilities that follow from it, and their reliability. `offered`:
    how much there was of each group, in units of its weight, when a like was beyond the TOP.

    For each scored like, TOP probabilities had been stated and at most one came true. ECE = sum over bins of
    |mean probability - frequency| weighted by the bin's share (Naeini et al., AAAI 2015).
    """

    def __init__(self) -> None:
        self.record: F64 = np.zeros((CLEARNESSES, OUTCOMES))
        self.offered: F64 = np.zeros((CLEARNESSES, len(FARTHER) + 1))
        self.count: F64 = np.zeros(BINS)
        self.claimed: F64 = np.zeros(BINS)
        self.came_true: F64 = np.zeros(BINS)
        self.recalibrate()

    def recalibrate(self) -> None:
        """Take the record into the probabilities: `table`, shape (CLEARNESSES, OUTCOMES), and the `weight` of one of
        each group of what is FAR. Then it fades.
        """
        # As if half a like had come of each, and each thing far out weighed the same.
        overall, offered = self.record.sum(axis=0) + 0.5, self.offered.sum(axis=0) + 0.5
        drawn = self.record + DRAWN_BY * overall / overall.sum()
        self.table: F64 = drawn / drawn.sum(axis=1, keepdims=True)
        _straighten(self.table)
        self.weight: F64 = drawn[:, FAR] / (self.offered + DRAWN_BY * offered / overall.sum())
        self.record *= FADING
        self.offered *= FADING

    def stated(self, clear: I64, outcomes: I64, candidates: I64, unranked: I64) -> F64:
        """The probability of places and of what is in none, given that nothing came that no ranking can hold, of
        rankings of so many candidates, which so many things are not among. Shapes (n,); of what came ELSEWHERE, 1.
        """
        found = np.ones(len(outcomes))
        _state(clear, outcomes, candidates, unranked, self.table, self.weight, found)
        return found

    def observe(self, clear: I64, outcomes: I64, candidates: I64, unranked: I64) -> None:
        """Take in scored likes that the present probabilities were stated for, shapes (n,)."""
        _record(clear, outcomes, candidates, unranked, self.weight, self.record, self.offered)
        came = np.zeros((CLEARNESSES, OUTCOMES))
        np.add.at(came, (clear, outcomes), 1)
        probability = self.table[:, :TOP]
        rankings = np.broadcast_to(came.sum(axis=1, keepdims=True), probability.shape)
        bins = np.minimum((np.sqrt(probability) * BINS).astype(np.int64), BINS - 1)
        np.add.at(self.count, bins, rankings)
        np.add.at(self.claimed, bins, probability * rankings)
        np.add.at(self.came_true, bins, came[:, :TOP])

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
            "offered": self.offered.copy(),
            "weight": self.weight.copy(),
            "bins": np.stack([self.count, self.claimed, self.came_true]),
        }

    def restore(self, arrays: Arrays) -> None:
        # Snapshots of before do not tell what was new,
        self.record, self.table = (_widened(arrays[name]) for name in ("record", "table"))
        # nor what anything weighs: all alike, until probabilities change for the first time.
        if "offered" in arrays:
            self.offered, self.weight = arrays["offered"].copy(), arrays["weight"].copy()
        self.count, self.claimed, self.came_true = arrays["bins"].copy()


def _widened(columns: F64) -> F64:
    """With a column for each of the OUTCOMES."""
    return np.pad(columns, ((0, 0), (0, OUTCOMES - columns.shape[1])))
