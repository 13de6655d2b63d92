"""What one like teaches, and how it is taken back, compiled: item-to-item co-occurrence in bounded lists.

A like is paired with its user's likes before it, more in that direction than back. Lists are bounded: the weakest
neighbour makes room, as in the space-saving sketch (Metwally et al. 2005).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from services.predictor.trending import Rates, add_rate

PAIRED: Final = 40
PAIRED_HALVING: Final = 10.0
NEIGHBOURS: Final = 384
REMEMBERED: Final = 512
# Weight of the pair with a user's last like, the one before it, and so on.
PAIRED_WEIGHT: Final = 2.0 ** (-np.arange(PAIRED) / PAIRED_HALVING)
# What follows leads back to what came before, but less: streams differ in how much (docs/decisions/0009).
BACKWARD: Final = 0.8
# As if each item had this much more trust: shrinks the cosine of rare items.
SHRINKAGE: Final = 8.0
HALF_OF_COSINE: Final = -0.5
# A candidate's cosine is divided by a little more than the root of its total, the more so the more its user has liked
# (OCTAVES: doublings): who has liked a lot has liked what everybody likes.
PER_DOUBLING: Final = -0.03
OCTAVES: Final = 10
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
    all likes of the item, `scale[o, i]` (float32) its half of the cosine for a user of that many doublings.
    """

    neighbour: Any
    weight: Any
    used: Any
    total: Any
    scale: Any


def new_lists(items: int) -> Lists:
    """Lists of items that nobody has liked."""
    lists = Lists(
        np.zeros((items, NEIGHBOURS), np.int32),
        np.zeros((items, NEIGHBOURS), np.float32),
        np.zeros(items, np.int64),
        np.zeros(items),
        np.zeros((OCTAVES, items), np.float32),
    )
    rescale_first(lists, items)
    return lists


@njit(cache=True)
def rescale(lists: Lists, item: int) -> None:
    """Bring an item's half of the cosine up to its total."""
    scale, step = (lists.total[item] + SHRINKAGE) ** HALF_OF_COSINE, (lists.total[item] + SHRINKAGE) ** PER_DOUBLING
    for octave in range(OCTAVES):
        lists.scale[octave, item] = scale
        scale *= step


@njit(cache=True)
def rescale_first(lists: Lists, count: int) -> None:
    """The same of the first `count` items."""
    for item in range(count):
        rescale(lists, item)


@njit(cache=True)
def place_of(neighbour: Any, used: int, item: int) -> int:
    """The place of an item among the first `used` of an int32 array, -1 where it is none of them."""
    # No early way out: the loop becomes vector instructions, faster than leaving at the hit.
    found, wanted = np.int32(-1), np.int32(item)
    for k in range(np.int32(used)):
        found = max(found, np.int32(k) if neighbour[k] == wanted else np.int32(-1))
    return int(found)


@njit(cache=True)
def _weakest(weights: Any) -> int:
    # Floats of one sign are in the order of their bits, and of whole numbers the least is found in vector instructions.
    bits = weights.view(np.int32)
    least = bits[0]
    for k in range(NEIGHBOURS):
        least = min(least, bits[k])
    found = np.int32(NEIGHBOURS)
    for k in range(np.int32(NEIGHBOURS)):
        found = min(found, np.int32(k) if bits[k] == least else np.int32(NEIGHBOURS))
    return int(found)


@njit(cache=True)
def _pair(lists: Lists, a: int, b: int, weight: float) -> None:
    """Add `weight` to b in the list of a; negative weight takes back."""
    used = lists.used[a]
    neighbour, weights = lists.neighbour[a], lists.weight[a]
    place = place_of(neighbour, used, b)
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
        weakest = _weakest(weights)
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
            _pair(lists, item, other, weight * BACKWARD)
            _pair(lists, other, item, weight)
        back += 1
        if back == PAIRED:
            break


@njit(cache=True)
def add_total(lists: Lists, rates: Rates, item: int, when: int, trust: float) -> None:
    """Count a like in its item's popularity; negative trust takes it back."""
    lists.total[item] = max(0.0, lists.total[item] + trust)
    rescale(lists, item)
    add_rate(rates, item, when, trust)


@njit(cache=True)
def _teach_span(
    item_of: Any, held: Any, when: Any, first: int, end: int, sign: float, lists: Lists, rates: Rates
) -> None:
    """Teach (sign 1) or take back (sign -1) what the likes at places first <= k < end taught, totals too."""
    for k in range(first, end):
        if held[k] > 0.0:
            teach(item_of, held, k, item_of[k], sign * held[k], lists)
            add_total(lists, rates, item_of[k], when[k], sign * held[k])


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
def learn(user: int, item: int, when: int, trust: float, histories: Histories, lists: Lists, rates: Rates) -> None:
    """Teach a like and add it to its user's history, which has room for it."""
    first, length = histories.start[user], histories.length[user]
    item_of, held, times = histories.item, histories.held, histories.when
    if length == REMEMBERED:
        # Full: the oldest half leaves, so that shifting is rare.
        keep = REMEMBERED // 2
        for k in range(first, first + keep):
            item_of[k], held[k], times[k] = item_of[k + keep], held[k + keep], times[k + keep]
        length = keep
    at = first + length
    if trust > 0.0:
        teach(item_of[first:at], held[first:at], length, item, trust, lists)
        add_total(lists, rates, item, when, trust)
    item_of[at], held[at], times[at] = item, trust, when
    histories.length[user] = length + 1


@njit(cache=True)
def unlearn_item(user: int, item: int, histories: Histories, lists: Lists, rates: Rates) -> int:
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
    _teach_span(item_of, held, when, first, end, -1.0, lists, rates)
    to = first
    for k in range(first, length):
        if item_of[k] != item:
            item_of[to], held[to], when[to] = item_of[k], held[k], when[k]
            to += 1
    histories.length[user] = to
    _teach_span(item_of[:to], held[:to], when[:to], first, end - (length - to), 1.0, lists, rates)
    return length - to


@njit(cache=True)
def reweigh(users: Any, items: Any, times: Any, trust: Any, histories: Histories, lists: Lists, rates: Rates) -> int:
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
        _teach_span(item_of, held, when, first, end, -1.0, lists, rates)
        for k in range(changed):
            held[places[k]] = weights[k]
        _teach_span(item_of, held, when, first, end, 1.0, lists, rates)
    return missing


@njit(cache=True)
def forget(users: Any, histories: Histories, lists: Lists, rates: Rates) -> int:
    """Take back all that these users' held likes taught, and the likes themselves. Returns how many likes."""
    forgotten = 0
    for user in users:
        begin, length = histories.start[user], histories.length[user]
        place = slice(begin, begin + length)
        _teach_span(histories.item[place], histories.held[place], histories.when[place], 0, length, -1.0, lists, rates)
        histories.length[user] = 0
        forgotten += length
    return forgotten
