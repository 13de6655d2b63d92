"""What a user is likely to like next, compiled: scores of candidates, and the place of the like that came.

How much what is trending counts besides the cosine is one of BLENDS, chosen by what would have ranked the likes so far
best: "follow the leader" (Cesa-Bianchi and Lugosi, Prediction, Learning, and Games, 2006). A library and a news stream
need opposite ones.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from services.predictor.candidates import LEAST_COSINE, NEXT_TO_NOTHING, WorkSpace, explain, find_candidates
from services.predictor.language_floor import lift
from services.predictor.learning import Histories, Lists, learn, place_of, unlearn_item
from services.predictor.levels import LAST, by_level, level_of
from services.predictor.trending import HALF_LIVES_MS, MONTH, Rates, advance, decay, find_top

TOP: Final = 20
# A rate below this is as good as none.
QUIET: Final = 0.05
PURE, FOURTH_ROOT, SQUARE_ROOT, LINEAR = range(4)


class Blends(NamedTuple):
    """Score = (cosine + share * rate / all rates) * (QUIET + rate) ** exponent, rates over one half-life."""

    half_life: Any
    exponent: Any
    share: Any


_GRID: Final = [(MONTH, PURE, 0.0)] + [
    (half_life, exponent, share)
    for half_life in range(len(HALF_LIVES_MS))
    for exponent, share in ((FOURTH_ROOT, 0.1), (SQUARE_ROOT, 1.0), (LINEAR, 0.1))
]
BLENDS: Final = Blends(
    np.array([b[0] for b in _GRID]), np.array([b[1] for b in _GRID]), np.array([b[2] for b in _GRID])
)
BLEND_NAMES: Final = (
    "co-preference alone",
    *(
        f"trending over an {span}, {strength}"
        for span in ("hour", "day", "month")
        for strength in ("a little", "much", "most")
    ),
)
# Every so many scored likes all blends are tried; old trials fade.
TRIED_EVERY: Final = 16
MEMORY: Final = 0.999
# What the blend without trends has in hand at first, so that the first few likes do not decide.
HEAD_START: Final = 1.0
COUNTING_PLACES: Final = 100
LEADER: Final = 0
SCORED: Final = 1


class Contest(NamedTuple):
    """`reward`: of each blend; `state`: [the leader, likes scored]; `shown`: how often, in trials, each item was
    in a user's TOP.
    """

    reward: Any
    state: Any
    shown: Any


class Places(NamedTuple):
    """For each like: `rank` of its item (0: no candidate), how many candidates there were, how `clear` the ranking
    was (the first's share of all scores), the item's share of all likes so far, and how many trusted likes of the user
    were `held`. -1: not scored.

    Of likes of what was in no place: the share of likes that what was in one had (`ranked`), how many things the user
    liked before (`own`), their share, and whether the item was one of them (`again`).

    The item's `level` (`levels`); of the things of each but the LAST, their share of likes (`level_shares`) and how
    many they were (`level_things`), shapes (n, LAST).
    """

    rank: Any
    candidates: Any
    clear: Any
    popularity: Any
    held: Any
    ranked: Any
    own: Any
    own_popularity: Any
    again: Any
    level: Any
    level_shares: Any
    level_things: Any


def new_contest(items: int) -> Contest:
    reward = np.zeros(len(_GRID))
    reward[0] = HEAD_START
    return Contest(reward, np.zeros(2, np.int64), np.zeros(items, np.int64))


def new_places(likes: int) -> Places:
    whole, shares = np.zeros((4, likes), np.int64), np.zeros((4, likes))
    again, by_level = np.zeros(likes, np.bool_), np.zeros((2, likes, LAST))
    rank = np.full(likes, -1)
    of_likes = rank, whole[0], shares[0], shares[1], whole[1], shares[2], whole[2], shares[3], again, whole[3]
    return Places(*of_likes, *by_level)


@njit(cache=True)
def _score(blend: int, count: int, rates: Rates, work: WorkSpace) -> None:
    """Fill `score` of the first `count` candidates by one blend."""
    h, exponent, share = BLENDS.half_life[blend], BLENDS.exponent[blend], BLENDS.share[blend]
    now = decay(rates, h)
    per_rate = 1.0 / (rates.total[h] * now + 1.0)
    value, cosine, rate, score = rates.value[h], work.cosine, work.rate, work.score
    for i in range(count):
        rate[i] = value[work.candidates[i]] * now
    trend, quiet = np.float32(share * per_rate), np.float32(QUIET)
    if exponent == PURE:
        for i in range(count):
            # Below any co-preference, in order of popularity: fills the list of a newcomer.
            newcomer = NEXT_TO_NOTHING * (cosine[i] + rate[i] * np.float32(per_rate))
            score[i] = newcomer if cosine[i] < LEAST_COSINE else cosine[i]
    elif exponent == LINEAR:
        for i in range(count):
            score[i] = (cosine[i] + trend * rate[i]) * (quiet + rate[i])
    elif exponent == SQUARE_ROOT:
        for i in range(count):
            score[i] = (cosine[i] + trend * rate[i]) * np.sqrt(quiet + rate[i])
    else:
        for i in range(count):
            score[i] = (cosine[i] + trend * rate[i]) * np.sqrt(np.sqrt(quiet + rate[i]))


@njit(cache=True)
def _place_of(item: int, count: int, work: WorkSpace) -> int:
    """The place of an item among the scored candidates, ties in the middle; 0 where it is none."""
    at = place_of(work.candidates, count, item)
    if at < 0:
        return 0
    # A loop without branches becomes vector instructions.
    score = work.score
    wanted = score[at]
    higher = equal = 0
    for i in range(count):
        higher += score[i] > wanted
        equal += score[i] == wanted
    return int(1 + higher + (equal - 1) // 2)


@njit(cache=True)
def _clearness(count: int, work: WorkSpace) -> float:
    """The first candidate's share of all scores."""
    # Eight sums side by side: one after the other, each addition would wait for the last.
    highest, total, score = np.zeros(8, np.float32), np.zeros(8, np.float32), work.score
    whole = count - count % 8
    for i in range(0, whole, 8):
        for k in range(8):
            total[k] += score[i + k]
            highest[k] = max(highest[k], score[i + k])
    for i in range(whole, count):
        total[0] += score[i]
        highest[0] = max(highest[0], score[i])
    return highest.max() / total.sum() if total.sum() > 0.0 else 0.0


@njit(cache=True)
def _first(count: int, work: WorkSpace, top: Any, scores: Any) -> int:
    """Fill `top` and `scores` with the TOP highest of the scored candidates. Returns how many."""
    filled = 0
    for i in range(count):
        item, score = work.candidates[i], work.score[i]
        # Among equals the lower number stands first, so that the order of lists does not show.
        if filled == TOP and (score < scores[TOP - 1] or (score == scores[TOP - 1] and item > top[TOP - 1])):
            continue
        k = filled if filled < TOP else TOP - 1
        while k > 0 and (scores[k - 1] < score or (scores[k - 1] == score and top[k - 1] > item)):
            top[k], scores[k] = top[k - 1], scores[k - 1]
            k -= 1
        top[k], scores[k] = item, score
        filled = min(filled + 1, TOP)
    return filled


@njit(cache=True)
def _hold_trial(item: int, count: int, rates: Rates, work: WorkSpace, contest: Contest) -> None:
    """Reward each blend for where it would have ranked a like, and let the best so far lead."""
    for blend in range(len(contest.reward)):
        _score(blend, count, rates, work)
        place = _place_of(item, count, work)
        contest.reward[blend] *= MEMORY
        if 0 < place <= COUNTING_PLACES:
            contest.reward[blend] += 1.0 / np.log2(1.0 + place)
    top, scores = np.empty(TOP, np.int64), np.empty(TOP)
    _score(contest.state[LEADER], count, rates, work)
    for k in range(_first(count, work, top, scores)):
        contest.shown[top[k]] += 1
    contest.state[LEADER] = np.argmax(contest.reward)


@njit(cache=True)
def sum_shares(item_of: Any, held: Any, count: int, rates: Rates, work: WorkSpace) -> tuple[float, int, float]:
    """The share of likes of the first `count` candidates; how many things of a history are trusted, and their share."""
    value, total, sums = rates.value[MONTH], max(rates.total[MONTH], 1e-300), work.sums
    ranked = of_own = 0.0
    own = 0
    for k in range(count):
        ranked += value[work.candidates[k]]
    for k in range(len(held)):
        # What was liked twice counts once.
        if held[k] > 0.0 and sums[item_of[k]] == 0.0:
            sums[item_of[k]] = 1.0
            own += 1
            of_own += value[item_of[k]]
    for k in range(len(held)):
        sums[item_of[k]] = 0.0
    return ranked / total, own, of_own / total


@njit(cache=True)
def score_like(
    i: int,
    user: int,
    item: int,
    histories: Histories,
    lists: Lists,
    rates: Rates,
    contest: Contest,
    work: WorkSpace,
    known_items: int,
    places: Places,
) -> None:
    """Fill in like `i` of `places`, from the state just before it; nothing where its user has no trusted history."""
    place = slice(histories.start[user], histories.start[user] + histories.length[user])
    held = histories.held[place]
    places.held[i] = (held > 0.0).sum()
    if places.held[i] == 0:
        return
    item_of = histories.item[place]
    count = find_candidates(item_of, held, histories.when[place], lists, rates, work)
    _score(contest.state[LEADER], count, rates, work)
    places.rank[i] = _place_of(item, count, work)
    places.candidates[i] = count
    places.clear[i] = _clearness(count, work)
    value, total = rates.value[MONTH, item], rates.total[MONTH]
    places.popularity[i] = value / max(total, 1e-300)
    places.level[i] = level_of(value, total)
    by_level(rates.levels, total, places.level_shares[i], places.level_things[i])
    if places.rank[i] == 0:
        places.ranked[i], places.own[i], places.own_popularity[i] = sum_shares(item_of, held, count, rates, work)
        places.again[i] = ((item_of == item) & (held > 0.0)).any()
    if contest.state[SCORED] % TRIED_EVERY == 0:
        _hold_trial(item, count, rates, work, contest)
        if rates.stale[0]:
            find_top(rates, known_items)
    contest.state[SCORED] += 1


@njit(cache=True)
def score_and_learn(
    users: Any,
    items: Any,
    times: Any,
    trust: Any,
    unlike: Any,
    histories: Histories,
    lists: Lists,
    rates: Rates,
    contest: Contest,
    work: WorkSpace,
    known_items: int,
    places: Places,
) -> int:
    """For each like in log order: its place in the ranking from the state just before it, then learn. Histories have
    room for all. Only trusted likes of users with a trusted history are scored.

    An unlike is not scored: it takes back the user's likes of that item. Returns how many likes that were.
    """
    taken_back = 0
    for i in range(len(users)):
        user, item = users[i], items[i]
        if unlike[i]:
            advance(rates, times[i])
            taken_back += unlearn_item(user, item, histories, lists, rates)
            continue
        if trust[i] > 0.0:
            score_like(i, user, item, histories, lists, rates, contest, work, known_items, places)
        advance(rates, times[i])
        learn(user, item, times[i], trust[i], histories, lists, rates)
    return taken_back


@njit(cache=True)
def rank_one(
    user: int,
    blend: int,
    histories: Histories,
    lists: Lists,
    rates: Rates,
    work: WorkSpace,
    protected: Any,
    top: Any,
    score: Any,
    best: Any,
    best_score: Any,
) -> tuple[int, float, int]:
    """Fill `top` and `score`, (TOP,), of one user; and `best` and `best_score` with the same of `protected` candidates
    alone (a mask over the items; empty: none is). Returns how many are in `top`, how clear it is, how many in `best`.
    """
    place = slice(histories.start[user], histories.start[user] + histories.length[user])
    count = find_candidates(histories.item[place], histories.held[place], histories.when[place], lists, rates, work)
    _score(blend, count, rates, work)
    clear, filled = _clearness(count, work), _first(count, work, top, score)
    if len(protected) == 0:
        return filled, clear, 0
    kept = 0
    for i in range(count):
        work.candidates[kept], work.score[kept] = work.candidates[i], work.score[i]
        kept += protected[work.candidates[i]]
    return filled, clear, _first(kept, work, best, best_score)


@njit(cache=True)
def rank_many(
    users: Any,
    blend: int,
    histories: Histories,
    lists: Lists,
    rates: Rates,
    work: WorkSpace,
    protected: Any,
    least: Any,
    tops: Any,
    scores: Any,
    places: Any,
    filled: Any,
    clear: Any,
    because: Any,
) -> None:
    """Rankings of several users and the own like behind each place. `protected`: a mask over the items, empty for no
    floor; `least`: how many of them the floor asks for, (TOP,). `tops`, `scores`, `because`, and `places` where items
    were before the floor: (n, TOP); `filled`, `clear`: (n,).
    """
    best, best_score = np.empty(TOP, np.int64), np.empty(TOP)
    for i in range(len(users)):
        user = users[i]
        filled[i], clear[i], found = rank_one(
            user, blend, histories, lists, rates, work, protected, tops[i], scores[i], best, best_score
        )
        if found > 0:
            lift(tops[i], scores[i], filled[i], best, best_score, found, protected, least, places[i])
        place = slice(histories.start[user], histories.start[user] + histories.length[user])
        item_of, held, when = histories.item[place], histories.held[place], histories.when[place]
        explain(item_of, held, when, lists, tops[i], filled[i], work.sums, because[i])
