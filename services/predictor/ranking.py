"""The co-preference model's inner loops, compiled: rank, then learn, one like at a time in log order.

Item-to-item co-occurrence, cosine-normalised. A like is paired with many of its user's likes before it, since
taste lasts; the next one is ranked by few, since what is wanted now does not. Neighbour lists are bounded: the
weakest neighbour makes room, as in the space-saving sketch (Metwally et al. 2005).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

PAIRED: Final = 40
PAIRED_HALVING: Final = 10.0
RANKED_BY: Final = 15
RANKED_HALVING: Final = 3.0
NEIGHBOURS: Final = 256
REMEMBERED: Final = 512
TOP: Final = 20
# As if each item had this much more trust: shrinks the cosine of rare items.
SHRINKAGE: Final = 5.0
# Weight of a user's last like, the one before it, and so on.
PAIRED_WEIGHT: Final = 2.0 ** (-np.arange(PAIRED) / PAIRED_HALVING)
RANKED_WEIGHT: Final = 2.0 ** (-np.arange(RANKED_BY) / RANKED_HALVING)
# Below this a pair's weight is what rounding left of one that was taken back.
NEGLIGIBLE: Final = np.float32(1e-5)


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
    all likes of the item and `scale[i]` its half of the cosine, 1 / sqrt(total + SHRINKAGE).
    """

    neighbour: Any
    weight: Any
    used: Any
    total: Any
    scale: Any


@njit(cache=True)
def _add_to_total(lists: Lists, item: int, trust: float) -> None:
    lists.total[item] = max(0.0, lists.total[item] + trust)
    lists.scale[item] = 1.0 / np.sqrt(lists.total[item] + SHRINKAGE)


@njit(cache=True)
def _place_of(neighbour: Any, used: int, item: int) -> int:
    # No early way out: the loop becomes vector instructions, faster than leaving at the hit.
    found, wanted = np.int32(-1), np.int32(item)
    for k in range(np.int32(used)):
        found = max(found, np.int32(k) if neighbour[k] == wanted else np.int32(-1))
    return int(found)


@njit(cache=True)
def _pair(lists: Lists, a: int, b: int, weight: float) -> None:
    """Add `weight` to b in the list of a; negative weight takes back."""
    used = lists.used[a]
    neighbour, weights = lists.neighbour[a], lists.weight[a]
    place = _place_of(neighbour, used, b)
    if place >= 0:
        weights[place] += np.float32(weight)
        if weights[place] < NEGLIGIBLE:
            last = used - 1
            neighbour[place], weights[place] = neighbour[last], weights[last]
            lists.used[a] = last
    elif weight < NEGLIGIBLE:
        return
    elif used < NEIGHBOURS:
        neighbour[used], weights[used] = b, weight
        lists.used[a] = used + 1
    else:
        weakest = np.argmin(weights)
        if weight >= weights[weakest] * 0.5:
            neighbour[weakest], weights[weakest] = b, weight
        else:
            weights[weakest] -= weight * 0.5


@njit(cache=True)
def teach(item_of: Any, held: Any, at: int, item: int, trust: float, lists: Lists) -> None:
    """Add (or, negative trust, take back) the pairs of `item` with the likes before place `at` of a history.

    A like that is not trusted at all takes no place: the history is as if it had never been.
    """
    back = 0
    for k in range(at - 1, -1, -1):
        if held[k] == 0.0:
            continue
        other = item_of[k]
        if other != item:
            weight = trust * held[k] * PAIRED_WEIGHT[back]
            _pair(lists, item, other, weight)
            _pair(lists, other, item, weight)
        back += 1
        if back == PAIRED:
            break


@njit(cache=True)
def _teach_span(item_of: Any, held: Any, first: int, end: int, sign: float, lists: Lists) -> None:
    """Teach (sign 1) or take back (sign -1) what the likes at places first <= k < end taught, totals too."""
    for k in range(first, end):
        if held[k] > 0.0:
            teach(item_of, held, k, item_of[k], sign * held[k], lists)
            _add_to_total(lists, item_of[k], sign * held[k])


@njit(cache=True)
def _reach(held: Any, at: int) -> int:
    """The place after the last like that was paired with the one at place `at`."""
    ahead = 0
    for k in range(at + 1, len(held)):
        if held[k] > 0.0:
            ahead += 1
            if ahead == PAIRED:
                return k + 1
    return len(held)


@njit(cache=True)
def rank(
    item_of: Any, held: Any, lists: Lists, trending: Any, scratch: Any, touched: Any, top: Any, scores: Any
) -> int:
    """Fill `top` and `scores` with the TOP next items after this history; returns how many. Its own trusted items
    are left out.

    `scratch` (one zero per item) and `touched` are work space; scratch is zero again afterwards.
    """
    count = back = 0
    length = len(item_of)
    for at in range(length - 1, -1, -1):
        if held[at] == 0.0:
            continue
        if back == RANKED_BY:
            break
        item = item_of[at]
        # The cosine's other half is divided out below, once a candidate.
        decay = held[at] * RANKED_WEIGHT[back] * lists.scale[item]
        back += 1
        neighbour, weights = lists.neighbour[item], lists.weight[item]
        for k in range(lists.used[item]):
            other = neighbour[k]
            if scratch[other] == 0.0:
                touched[count] = other
                count += 1
            scratch[other] += decay * weights[k]
    for k in range(len(trending)):
        other = trending[k]
        if scratch[other] == 0.0:
            touched[count] = other
            count += 1
            # Below any co-preference, in order of popularity: fills the list of a newcomer.
            scratch[other] = 1e-9 * (len(trending) - k)
    for k in range(length):
        if held[k] > 0.0:
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
    unlike: Any,
    histories: Histories,
    lists: Lists,
    trending: Any,
    scratch: Any,
    touched: Any,
    ranks: Any,
    known: Any,
) -> int:
    """For each like in log order: the place of its item in the ranking from the state just before it
    (0 = not among the TOP), whether that user had a trusted history, then learn. Histories have room for all.

    An unlike is not scored: it takes back the user's likes of that item. Returns how many likes that were.
    """
    top, scores = np.empty(TOP, np.int64), np.zeros(TOP)
    item_of, held, when, start, lengths = histories
    taken_back = 0
    for i in range(len(users)):
        user, item = users[i], items[i]
        first, length = start[user], lengths[user]
        ranks[i] = 0
        known[i] = False
        if unlike[i]:
            taken_back += _unlearn_item(user, item, histories, lists)
            continue
        place = slice(first, first + length)
        known[i] = (held[place] > 0.0).any()
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
        at = first + length
        if trust[i] > 0.0:
            teach(item_of[first:at], held[first:at], length, item, trust[i], lists)
            _add_to_total(lists, item, trust[i])
        item_of[at], held[at], when[at] = item, trust[i], times[i]
        lengths[user] = length + 1
    return taken_back


@njit(cache=True)
def _unlearn_item(user: int, item: int, histories: Histories, lists: Lists) -> int:
    """Take back and forget a user's likes of an item, as if they had never been. Returns how many."""
    begin, length = histories.start[user], histories.length[user]
    item_of = histories.item[begin : begin + length]
    held = histories.held[begin : begin + length]
    when = histories.when[begin : begin + length]
    first = last = -1
    for k in range(length):
        if item_of[k] == item:
            first = k if first < 0 else first
            last = k
    if first < 0:
        return 0
    end = _reach(held, last)
    _teach_span(item_of, held, first, end, -1.0, lists)
    to = first
    for k in range(first, length):
        if item_of[k] != item:
            item_of[to], held[to], when[to] = item_of[k], held[k], when[k]
            to += 1
    histories.length[user] = to
    _teach_span(item_of[:to], held[:to], first, end - (length - to), 1.0, lists)
    return length - to


@njit(cache=True)
def reweigh(users: Any, items: Any, times: Any, trust: Any, histories: Histories, lists: Lists) -> int:
    """Replace the trust of likes learnt before: what they and the likes after them taught is taken back, and
    taught again with the new trust. Fastest where a user's likes come together, in the order of the log.

    Returns how many were no longer held in their user's history (their pairs stay as they are).
    """
    missing = i = 0
    places = np.empty(REMEMBERED, np.int64)
    weights = np.empty(REMEMBERED)
    while i < len(users):
        user = users[i]
        begin, length = histories.start[user], histories.length[user]
        item_of = histories.item[begin : begin + length]
        held = histories.held[begin : begin + length]
        when = histories.when[begin : begin + length]
        changed, first, last = 0, length, -1
        while i < len(users) and users[i] == user and changed < REMEMBERED:
            found = -1
            for k in range(length - 1, -1, -1):
                if item_of[k] == items[i] and when[k] == times[i]:
                    found = k
                    break
            if found < 0:
                missing += 1
            else:
                places[changed], weights[changed] = found, trust[i]
                changed += 1
                first, last = min(first, found), max(last, found)
            i += 1
        if changed == 0:
            continue
        end = _reach(held, last)
        _teach_span(item_of, held, first, end, -1.0, lists)
        for k in range(changed):
            held[places[k]] = weights[k]
        _teach_span(item_of, held, first, end, 1.0, lists)
    return missing


@njit(cache=True)
def forget(users: Any, histories: Histories, lists: Lists) -> int:
    """Take back all that these users' held likes taught, and the likes themselves. Returns how many likes."""
    forgotten = 0
    for user in users:
        begin, length = histories.start[user], histories.length[user]
        place = slice(begin, begin + length)
        _teach_span(histories.item[place], histories.held[place], 0, length, -1.0, lists)
        histories.length[user] = 0
        forgotten += length
    return forgotten


@njit(cache=True)
def explain(item_of: Any, held: Any, lists: Lists, top: Any, filled: int, scratch: Any, because: Any) -> None:
    """For each of the first `filled` items of `top`: which trusted like of this history added most to its score
    (-1: none, it is there because it is popular). `scratch` is zero before and after.
    """
    best = np.zeros(filled)
    for k in range(filled):
        scratch[top[k]] = k + 1
        because[k] = -1
    back = 0
    for at in range(len(item_of) - 1, -1, -1):
        if held[at] == 0.0:
            continue
        if back == RANKED_BY:
            break
        item = item_of[at]
        decay = held[at] * RANKED_WEIGHT[back] * lists.scale[item]
        back += 1
        neighbour, weights = lists.neighbour[item], lists.weight[item]
        for k in range(lists.used[item]):
            place = int(scratch[neighbour[k]]) - 1
            if place >= 0 and decay * weights[k] > best[place]:
                best[place] = decay * weights[k]
                because[place] = item
    for k in range(filled):
        scratch[top[k]] = 0.0


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
    because: Any,
) -> None:
    """Rankings of several users and the own like behind each place. `tops`, `scores`, `because`: (n, TOP);
    `filled`: (n,).
    """
    for i in range(len(users)):
        first, length = histories.start[users[i]], histories.length[users[i]]
        place = slice(first, first + length)
        item_of, held = histories.item[place], histories.held[place]
        filled[i] = rank(item_of, held, lists, trending, scratch, touched, tops[i], scores[i])
        explain(item_of, held, lists, tops[i], filled[i], scratch, because[i])
