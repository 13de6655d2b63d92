"""Candidates for a user's next like and their cosine, compiled: the neighbours of the last likes, and what is trending.

The cosine is summed over those likes, weighed by how many moments ago each was (likes of one moment have no order).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from services.predictor.learning import NEIGHBOURS, OCTAVES, Lists
from services.predictor.prefetch import prefetch
from services.predictor.trending import HALF_LIVES_MS, TRENDING, Rates

RANKED_BY: Final = 20
# Lists are asked for this many before they are read.
AHEAD: Final = 2
MOMENTS_HALVING: Final = 1.8
# Of likes longer ago than the moments tell, a little is left.
LONG_LASTING: Final = 0.01
MOMENT_WEIGHT: Final = 2.0 ** (-np.arange(RANKED_BY) / MOMENTS_HALVING) + LONG_LASTING
# Neighbours with less than a CLOSE-th of the closest one's weight are left out: most of a long list, little of a sum.
CLOSE: Final = np.float32(24.0)
# Likes from before the last sitting count less.
SITTING_MS: Final = 1_800_000
EARLIER_SITTING: Final = 0.5
NEXT_TO_NOTHING: Final = np.float32(1e-9)
# What has less was not liked together with anything, but is trending.
LEAST_COSINE: Final = np.float32(1e-8)


class WorkSpace(NamedTuple):
    """`sums`: one zero per item, zero again after use; the rest has room for all candidates. Small types, since what
    is read here does not fit the nearest caches.
    """

    sums: Any
    candidates: Any
    cosine: Any
    rate: Any
    score: Any


def new_work_space(items: int) -> WorkSpace:
    most = min(items, RANKED_BY * NEIGHBOURS + len(HALF_LIVES_MS) * TRENDING) + 1
    parts = (np.zeros(most, np.float32) for _ in range(3))
    return WorkSpace(np.zeros(items, np.float32), np.zeros(most, np.int32), *parts)


@njit(cache=True)
def _weights(held: Any, when: Any, at: Any, weight: Any) -> int:
    """Places in a history that the next like is ranked by, and their weights, latest first. Returns how many."""
    count = moment = 0
    latest = previous = -1
    for k in range(len(held) - 1, -1, -1):
        if held[k] == 0.0:
            continue
        if count == 0:
            latest = previous = when[k]
        if when[k] != previous:
            previous = when[k]
            moment += 1
        at[count] = k
        weight[count] = held[k] * MOMENT_WEIGHT[moment]
        if latest - when[k] > SITTING_MS:
            weight[count] *= EARLIER_SITTING
        count += 1
        if count == RANKED_BY:
            break
    return count


@njit(cache=True)
def _close_neighbours(lists: Lists, item: int, close: Any, closeness: Any) -> int:
    """Copy an item's neighbours but those of less than a CLOSE-th of the closest one's weight. Returns how many."""
    neighbour, weights, used = lists.neighbour[item], lists.weight[item], lists.used[item]
    # Floats of one sign are in the order of their bits, and of whole numbers the most is found in vector instructions.
    bits, most = weights.view(np.int32), np.int32(0)
    for k in range(used):
        most = max(most, bits[k])
    least = np.int32(most).view(np.float32) / CLOSE
    count = 0
    for k in range(used):
        close[count], closeness[count] = neighbour[k], weights[k]
        count += weights[k] >= least
    return count


@njit(cache=True)
def find_candidates(item_of: Any, held: Any, when: Any, lists: Lists, rates: Rates, work: WorkSpace) -> int:
    """Fill `candidates` and their `cosine`, the user's own trusted items left out. Returns how many."""
    sums, found = work.sums, work.candidates
    at, weight = np.empty(RANKED_BY, np.int64), np.empty(RANKED_BY)
    close, closeness = np.empty(NEIGHBOURS, np.int32), np.empty(NEIGHBOURS, np.float32)
    count = 0
    likes = _weights(held, when, at, weight)
    for b in range(likes):
        item = item_of[at[b]]
        if b + AHEAD < likes:
            ahead = item_of[at[b + AHEAD]]
            prefetch(lists.neighbour[ahead], lists.used[ahead])
            prefetch(lists.weight[ahead], lists.used[ahead])
        part = np.float32(weight[b] * lists.scale[0, item])
        near = _close_neighbours(lists, item, close, closeness)
        for k in range(near):
            other = close[k]
            # No branch, which would be guessed wrong every third time: the place is written, and kept if it is new.
            found[count] = other
            count += sums[other] == 0.0
            sums[other] += part * closeness[k]
    for h in range(len(HALF_LIVES_MS)):
        for k in range(rates.filled[h]):
            item = rates.top[h, k]
            if sums[item] == 0.0:
                found[count] = item
                count += 1
                sums[item] = NEXT_TO_NOTHING
    own = 0
    for k in range(len(held)):
        if held[k] > 0.0:
            sums[item_of[k]] = 0.0
            own += 1
    return _cosines(min(int(np.log2(max(own, 1))), OCTAVES - 1), count, lists, work)


@njit(cache=True)
def _cosines(octaves: int, count: int, lists: Lists, work: WorkSpace) -> int:
    """Sums of the first `count` candidates to cosines; `sums` is zero again. Returns how many are left."""
    sums, found, cosine, scale = work.sums, work.candidates, work.cosine, lists.scale[octaves]
    kept = 0
    for i in range(count):
        item = found[i]
        # No branch: the place is written, and kept if the item was not left out.
        found[kept], cosine[kept] = item, sums[item] * scale[item]
        kept += sums[item] > 0.0
        sums[item] = 0.0
    return kept


@njit(cache=True)
def explain(item_of: Any, held: Any, when: Any, lists: Lists, top: Any, filled: int, sums: Any, because: Any) -> None:
    """For each of the first `filled` items of `top`: which trusted like of this history added most to its score
    (-1: none, it is there because it is popular). `sums` is zero before and after.
    """
    best = np.zeros(filled)
    for k in range(filled):
        sums[top[k]] = k + 1
        because[k] = -1
    at, weight = np.empty(RANKED_BY, np.int64), np.empty(RANKED_BY)
    for b in range(_weights(held, when, at, weight)):
        item = item_of[at[b]]
        part = weight[b] * lists.scale[0, item]
        neighbour, weights = lists.neighbour[item], lists.weight[item]
        for k in range(lists.used[item]):
            place = int(sums[neighbour[k]]) - 1
            if place >= 0 and part * weights[k] > best[place]:
                best[place] = part * weights[k]
                because[place] = item
    for k in range(filled):
        sums[top[k]] = 0.0
