"""What the SQL jobs beside Truelike must find, in NumPy: a job that finds anything else did other work. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]

BUSY_WINDOW_MS: Final = 300_000
BUSY_LIKES: Final = 10
NEAR_MS: Final = 60_000
PAIR_WINDOW_MS: Final = 3_600_000
PAIR_TARGETS: Final = 2


def numbered(ids: Sequence[str]) -> I64:
    """Numbers in the order of the ids' bytes, shape (n,)."""
    return np.unique(np.array([i.encode() for i in ids]), return_inverse=True)[1].astype(np.int64)


def busy_actors(actors: I64, times: I64) -> int:
    """Job A: actors and windows of 5 min with at least 10 likes. `times` in ms, shapes (n,)."""
    _, counts = np.unique(_pairs(actors, times // BUSY_WINDOW_MS), return_counts=True)
    return int((counts >= BUSY_LIKES).sum())


def meetings(actors: I64, targets: I64, times: I64) -> tuple[I64, I64, I64, I64]:
    """Two actors' likes of one target within 60 s: actor, partner, target, ms of the actor's like, shapes (m,). The
    actor is the one whose number is smaller.
    """
    order = np.lexsort((times, targets))
    actors, targets, times = actors[order], targets[order], times[order]
    # Of one target after another, on one axis of time, so far apart that they do not meet.
    span = int(times.max() - times.min()) + NEAR_MS + 1
    axis = np.unique(targets, return_inverse=True)[1] * span + times - times.min()
    last = np.searchsorted(axis, axis + NEAR_MS, "right")
    partners = last - np.arange(len(axis)) - 1
    first = np.repeat(np.arange(len(axis)), partners)
    second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(partners) - partners, partners)
    other = actors[first] != actors[second]
    first, second = first[other], second[other]
    swap = actors[first] > actors[second]
    actor, partner = np.where(swap, second, first), np.where(swap, first, second)
    return actors[actor], actors[partner], targets[actor], times[actor]


def close_pairs(met: tuple[I64, I64, I64, I64]) -> int:
    """Job B: pairs and hours with at least two targets."""
    actor, partner, target, at = met
    pairs = _pairs(_pairs(actor, partner), at // PAIR_WINDOW_MS)
    _, shared = np.unique(np.unique(np.stack([pairs, target]), axis=1)[0], return_counts=True)
    return int((shared >= PAIR_TARGETS).sum())


def _pairs(left: Any, right: Any) -> I64:
    """A number for each distinct pair, shape (n,)."""
    right = np.unique(right, return_inverse=True)[1]
    return np.unique(left * (right.max(initial=0) + 1) + right, return_inverse=True)[1].astype(np.int64)
