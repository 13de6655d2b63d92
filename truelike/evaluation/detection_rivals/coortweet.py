"""CooRTweet's rule: two actors who like at least two same targets, each within so many seconds, act together.

Righetti, Balluff: CooRTweet, R package; Kulichkina, Righetti, Waldherr 2024, doi 10.1177/14614448241254126. Its usual
figures: 10 s, two targets; 60 s beside. An actor's score is the most targets that it shares with anyone.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from truelike.evaluation.detection_rivals.rival import Edges, TooMany, Verdict

LEAST_SHARED: Final = 2
MOST_PAIRS: Final = 30_000_000


def score(edges: Edges, within_ms: int) -> Verdict:
    """Raises TooMany."""
    rows = edges.by_target
    actor, target, time = edges.actor[rows], edges.target[rows], edges.time[rows]
    count = _count(target, time, within_ms)
    if count > MOST_PAIRS:
        raise TooMany(f"{count:,} pairs of likes within {within_ms // 1000} s of each other")
    pair, shared = _pairs(actor, target, time, within_ms, count, edges.actors)
    # Each target of a pair once.
    order = np.lexsort((shared, pair))
    pair, shared = pair[order], shared[order]
    once = np.r_[True, (np.diff(pair) != 0) | (np.diff(shared) != 0)][: len(pair)]
    pair, targets = np.unique(pair[once], return_counts=True)
    most = np.zeros(edges.actors)
    for end in np.divmod(pair, edges.actors):
        np.maximum.at(most, end, targets)
    return Verdict(most, most >= LEAST_SHARED)


@njit(cache=True)
def _count(target: Any, time: Any, within: int) -> int:
    count, first = 0, 0
    for e in range(len(target)):
        while target[first] != target[e] or time[e] - time[first] > within:
            first += 1
        count += e - first
    return count


@njit(cache=True)
def _pairs(actor: Any, target: Any, time: Any, within: int, count: int, actors: int) -> Any:
    pair, shared = np.empty(count, np.int64), np.empty(count, np.int64)
    n = first = 0
    for e in range(len(target)):
        while target[first] != target[e] or time[e] - time[first] > within:
            first += 1
        for other in range(first, e):
            a, b = actor[e], actor[other]
            if a != b:
                pair[n], shared[n] = min(a, b) * actors + max(a, b), target[e]
                n += 1
    return pair[:n], shared[:n]
