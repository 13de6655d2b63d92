"""The co-preference model's inner loops, compiled: rank, then learn, one like at a time in log order.

Item-to-item co-occurrence over a user's last likes, cosine-normalised, halving with position. Neighbour lists
are bounded: the weakest neighbour makes room, as in the space-saving sketch (Metwally et al. 2005).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

HISTORY: Final = 20
NEIGHBOURS: Final = 128
TOP: Final = 20
HALVING: Final = 5.0


@njit(cache=True)
def _pair(neighbours: Any, weights: Any, a: int, b: int, weight: float) -> None:
    """Add `weight` to b in the list of a."""
    weakest = 0
    for k in range(NEIGHBOURS):
        if neighbours[a, k] == b and weights[a, k] != 0.0:
            weights[a, k] = max(0.0, weights[a, k] + weight)
            return
        if weights[a, k] < weights[a, weakest]:
            weakest = k
    if weight <= 0.0:
        return
    if weights[a, weakest] == 0.0 or weight >= weights[a, weakest] * 0.5:
        neighbours[a, weakest], weights[a, weakest] = b, weight
    else:
        weights[a, weakest] -= weight * 0.5


@njit(cache=True)
def teach(history: Any, held: Any, at: int, item: int, trust: float, neighbours: Any, weights: Any) -> None:
    """Add (or, negative trust, take back) the pairs of `item` with the likes before position `at`."""
    for back in range(1, HISTORY + 1):
        k = at - back
        if k < 0:
            break
        other = history[k]
        if other < 0 or other == item or held[k] == 0.0:
            continue
        weight = trust * held[k] * 2.0 ** (-(back - 1) / HALVING)
        _pair(neighbours, weights, item, other, weight)
        _pair(neighbours, weights, other, item, weight)


@njit(cache=True)
def rank(
    history: Any,
    held: Any,
    length: int,
    neighbours: Any,
    weights: Any,
    totals: Any,
    popular: Any,
    scratch: Any,
    touched: Any,
    top: Any,
    scores: Any,
) -> int:
    """Fill `top` and `scores` with the user's TOP next items; returns how many. Liked items are left out.

    `scratch` (one zero per item) and `touched` are work space; scratch is zero again afterwards.
    """
    count = 0
    for back in range(min(length, HISTORY)):
        item, trust = history[length - 1 - back], held[length - 1 - back]
        if item < 0 or trust == 0.0:
            continue
        # The cosine's other half is divided out below, once a candidate.
        decay = trust * 2.0 ** (-back / HALVING) / np.sqrt(totals[item] + 1.0)
        for k in range(NEIGHBOURS):
            weight = weights[item, k]
            if weight <= 0.0:
                continue
            other = neighbours[item, k]
            if scratch[other] == 0.0:
                touched[count] = other
                count += 1
            scratch[other] += decay * weight
    for k in range(len(popular)):
        other = popular[k]
        if other >= 0 and scratch[other] == 0.0:
            touched[count] = other
            count += 1
            # Below any co-preference, in order of popularity: fills the list of a newcomer.
            scratch[other] = 1e-9 * (len(popular) - k)
    for k in range(length):
        if history[k] >= 0:
            scratch[history[k]] = 0.0
    filled = 0
    for i in range(count):
        other = touched[i]
        score = scratch[other] / np.sqrt(totals[other] + 1.0)
        scratch[other] = 0.0
        if score <= 0.0 or (filled == TOP and score <= scores[TOP - 1]):
            continue
        k = filled if filled < TOP else TOP - 1
        while k > 0 and scores[k - 1] < score:
            top[k], scores[k] = top[k - 1], scores[k - 1]
            k -= 1
        top[k], scores[k] = other, score
        filled = min(filled + 1, TOP)
    return filled


@njit(cache=True)
def score_and_learn(
    users: Any,
    items: Any,
    trust: Any,
    history: Any,
    held: Any,
    when: Any,
    lengths: Any,
    times: Any,
    neighbours: Any,
    weights: Any,
    totals: Any,
    popular: Any,
    scratch: Any,
    touched: Any,
    ranks: Any,
    known: Any,
) -> None:
    """For each like in log order: the place of its item in the ranking from the state just before it
    (0 = not among the TOP), whether that user had a history, then learn.
    """
    top = np.empty(TOP, np.int64)
    scores = np.zeros(TOP)
    width = history.shape[1]
    for i in range(len(users)):
        user, item = users[i], items[i]
        length = lengths[user]
        ranks[i] = 0
        known[i] = length > 0
        filled = rank(
            history[user],
            held[user],
            length,
            neighbours,
            weights,
            totals,
            popular,
            scratch,
            touched,
            top,
            scores,
        )
        for k in range(filled):
            if top[k] == item:
                ranks[i] = k + 1
                break
        if length == width:
            # Full: the oldest half leaves, so that shifting is rare.
            keep = width // 2
            for k in range(keep):
                history[user, k], held[user, k], when[user, k] = (
                    history[user, width - keep + k],
                    held[user, width - keep + k],
                    when[user, width - keep + k],
                )
            length = keep
        teach(history[user], held[user], length, item, trust[i], neighbours, weights)
        history[user, length], held[user, length], when[user, length] = item, trust[i], times[i]
        lengths[user] = length + 1
        totals[item] += trust[i]


@njit(cache=True)
def reweigh(
    users: Any,
    items: Any,
    times: Any,
    trust: Any,
    history: Any,
    held: Any,
    when: Any,
    lengths: Any,
    neighbours: Any,
    weights: Any,
    totals: Any,
) -> int:
    """Replace the trust of likes learnt before: take back what each taught, teach it with the new weight.

    Returns how many were no longer held in their user's history (their pairs stay as they are).
    """
    missing = 0
    for i in range(len(users)):
        user, found = users[i], -1
        for k in range(lengths[user] - 1, -1, -1):
            if history[user, k] == items[i] and when[user, k] == times[i]:
                found = k
                break
        if found < 0:
            missing += 1
            continue
        delta = trust[i] - held[user, found]
        teach(history[user], held[user], found, items[i], delta, neighbours, weights)
        for ahead in range(found + 1, min(lengths[user], found + 1 + HISTORY)):
            other = history[user, ahead]
            if other < 0 or other == items[i]:
                continue
            weight = delta * held[user, ahead] * 2.0 ** (-(ahead - found - 1) / HALVING)
            _pair(neighbours, weights, items[i], other, weight)
            _pair(neighbours, weights, other, items[i], weight)
        held[user, found] = trust[i]
        totals[items[i]] = max(0.0, totals[items[i]] + delta)
    return missing


@njit(cache=True)
def rank_many(
    users: Any,
    history: Any,
    held: Any,
    lengths: Any,
    neighbours: Any,
    weights: Any,
    totals: Any,
    popular: Any,
    scratch: Any,
    touched: Any,
    tops: Any,
    scores: Any,
    filled: Any,
) -> None:
    """Rankings of several users. `tops`, `scores`: (n, TOP); `filled`: (n,)."""
    for i in range(len(users)):
        user = users[i]
        filled[i] = rank(
            history[user],
            held[user],
            lengths[user],
            neighbours,
            weights,
            totals,
            popular,
            scratch,
            touched,
            tops[i],
            scores[i],
        )
