"""The co-preference model's inner loops, compiled: rank, then learn, one like at a time in log order.

Item-to-item co-occurrence over a user's last likes, cosine-normalised, halving with position. Neighbour lists
are bounded: the weakest neighbour makes room, as in the space-saving sketch (Metwally et al. 2005).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

HISTORY: Final = 20
NEIGHBOURS: Final = 128
REMEMBERED: Final = 512
TOP: Final = 20
HALVING: Final = 5.0
# Weight of a user's last like, the one before it, and so on.
DECAY: Final = 2.0 ** (-np.arange(HISTORY) / HALVING)


class Histories(NamedTuple):
    """Users' likes, oldest first. User u has `length[u]` of them, at most REMEMBERED, from `start[u]` on in the
    flat arrays `item` (int32), `held` (float32, the trust it was learnt with) and `when` (int64, ms).
    """

    item: Any
    held: Any
    when: Any
    start: Any
    length: Any


class Lists(NamedTuple):
    """Items' neighbours, shape (items, NEIGHBOURS), the first `used[i]` places in use; `total[i]` is the trust of
    all likes of the item and `scale[i]` its half of the cosine, 1 / sqrt(total + 1).
    """

    neighbour: Any
    weight: Any
    used: Any
    total: Any
    scale: Any


@njit(cache=True)
def _add_to_total(lists: Lists, item: int, trust: float) -> None:
    lists.total[item] = max(0.0, lists.total[item] + trust)
    lists.scale[item] = 1.0 / np.sqrt(lists.total[item] + 1.0)


@njit(cache=True)
def _pair(lists: Lists, a: int, b: int, weight: float) -> None:
    """Add `weight` to b in the list of a."""
    used = lists.used[a]
    neighbour, weights = lists.neighbour[a], lists.weight[a]
    weakest = 0
    for k in range(used):
        if neighbour[k] == b:
            weights[k] = max(0.0, weights[k] + weight)
            return
        if weights[k] < weights[weakest]:
            weakest = k
    if weight <= 0.0:
        return
    if used < NEIGHBOURS:
        neighbour[used], weights[used] = b, weight
        lists.used[a] = used + 1
    elif weight >= weights[weakest] * 0.5:
        neighbour[weakest], weights[weakest] = b, weight
    else:
        weights[weakest] -= weight * 0.5


@njit(cache=True)
def teach(item_of: Any, held: Any, at: int, item: int, trust: float, lists: Lists) -> None:
    """Add (or, negative trust, take back) the pairs of `item` with the likes before place `at` of a history."""
    for back in range(1, HISTORY + 1):
        k = at - back
        if k < 0:
            break
        other = item_of[k]
        if other == item or held[k] == 0.0:
            continue
        weight = trust * held[k] * DECAY[back - 1]
        _pair(lists, item, other, weight)
        _pair(lists, other, item, weight)


@njit(cache=True)
def rank(
    item_of: Any, held: Any, lists: Lists, trending: Any, scratch: Any, touched: Any, top: Any, scores: Any
) -> int:
    """Fill `top` and `scores` with the TOP next items after this history; returns how many. Its own items are
    left out.

    `scratch` (one zero per item) and `touched` are work space; scratch is zero again afterwards.
    """
    count = 0
    length = len(item_of)
    for back in range(min(length, HISTORY)):
        item, trust = item_of[length - 1 - back], held[length - 1 - back]
        if trust == 0.0:
            continue
        # The cosine's other half is divided out below, once a candidate.
        decay = trust * DECAY[back] * lists.scale[item]
        neighbour, weights = lists.neighbour[item], lists.weight[item]
        for k in range(lists.used[item]):
            weight = weights[k]
            if weight <= 0.0:
                continue
            other = neighbour[k]
            if scratch[other] == 0.0:
                touched[count] = other
                count += 1
            scratch[other] += decay * weight
    for k in range(len(trending)):
        other = trending[k]
        if scratch[other] == 0.0:
            touched[count] = other
            count += 1
            # Below any co-preference, in order of popularity: fills the list of a newcomer.
            scratch[other] = 1e-9 * (len(trending) - k)
    for k in range(length):
        scratch[item_of[k]] = 0.0
    filled = 0
    for i in range(count):
        other = touched[i]
        score = scratch[other] * lists.scale[other]
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
    times: Any,
    trust: Any,
    histories: Histories,
    lists: Lists,
    trending: Any,
    scratch: Any,
    touched: Any,
    ranks: Any,
    known: Any,
) -> None:
    """For each like in log order: the place of its item in the ranking from the state just before it
    (0 = not among the TOP), whether that user had a history, then learn. Histories have room for all of them.
    """
    top, scores = np.empty(TOP, np.int64), np.zeros(TOP)
    item_of, held, when, start, lengths = histories
    for i in range(len(users)):
        user, item = users[i], items[i]
        first, length = start[user], lengths[user]
        ranks[i] = 0
        known[i] = length > 0
        place = slice(first, first + length)
        filled = rank(item_of[place], held[place], lists, trending, scratch, touched, top, scores)
        for k in range(filled):
            if top[k] == item:
                ranks[i] = k + 1
                break
        if length == REMEMBERED:
            # Full: the oldest half leaves, so that shifting is rare.
            keep = REMEMBERED // 2
            for k in range(first, first + keep):
                item_of[k], held[k], when[k] = item_of[k + keep], held[k + keep], when[k + keep]
            length = keep
        teach(item_of[first : first + length], held[first : first + length], length, item, trust[i], lists)
        at = first + length
        item_of[at], held[at], when[at] = item, trust[i], times[i]
        lengths[user] = length + 1
        _add_to_total(lists, item, trust[i])


@njit(cache=True)
def reweigh(users: Any, items: Any, times: Any, trust: Any, histories: Histories, lists: Lists) -> int:
    """Replace the trust of likes learnt before: take back what each taught, teach it with the new weight.

    Returns how many were no longer held in their user's history (their pairs stay as they are).
    """
    missing = 0
    for i in range(len(users)):
        user, item, found = users[i], items[i], -1
        first, length = histories.start[user], histories.length[user]
        item_of = histories.item[first : first + length]
        held = histories.held[first : first + length]
        when = histories.when[first : first + length]
        for k in range(length - 1, -1, -1):
            if item_of[k] == item and when[k] == times[i]:
                found = k
                break
        if found < 0:
            missing += 1
            continue
        delta = trust[i] - held[found]
        teach(item_of, held, found, item, delta, lists)
        for ahead in range(found + 1, min(length, found + 1 + HISTORY)):
            other = item_of[ahead]
            if other == item:
                continue
            weight = delta * held[ahead] * DECAY[ahead - found - 1]
            _pair(lists, item, other, weight)
            _pair(lists, other, item, weight)
        held[found] = trust[i]
        _add_to_total(lists, item, delta)
    return missing


@njit(cache=True)
def rank_many(
    users: Any,
    histories: Histories,
    lists: Lists,
    trending: Any,
    scratch: Any,
    touched: Any,
    tops: Any,
    scores: Any,
    filled: Any,
) -> None:
    """Rankings of several users. `tops`, `scores`: (n, TOP); `filled`: (n,)."""
    for i in range(len(users)):
        first, length = histories.start[users[i]], histories.length[users[i]]
        place = slice(first, first + length)
        filled[i] = rank(
            histories.item[place], histories.held[place], lists, trending, scratch, touched, tops[i], scores[i]
        )
