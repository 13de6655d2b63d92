"""What was stated of *every* item before each like, by popularity, by the person's past and by what was shown: as the
predictor and the choice service state it of the one that is liked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numba import njit

from services.choice.log import ATTRIBUTION_MS, F64, I64, Likes, Shown, likes_of
from services.choice.mixture import LEAST_PROBABILITY, Believed, Forecasts, Mixture, history_alone
from services.choice.moments import Moments
from services.choice.shown_items import doubling
from services.predictor.calibration import (
    CLEARNESSES,
    ELSEWHERE,
    FARTHER,
    left_by_top,
    next_recalibration,
    total_of,
)
from services.predictor.candidates import WorkSpace
from services.predictor.forecasts import (
    AGAIN,
    ALIKE,
    ALIKE_UNRANKED,
    NEW,
    Columns,
    blended,
    blended_by_level,
    columns_of,
    factors_of,
    follow_like,
    nothing_stated,
    shares_of,
    unranked_of,
)
from services.predictor.learning import Histories, Lists, learn
from services.predictor.levels import level_of
from services.predictor.model import CoPreference
from services.predictor.ranking import SCORED, TOP, Contest, Places, new_places, score_like
from services.predictor.trending import MONTH, Rates, advance
from shared.hashing import U64, hash_strings, mix
from truelike.evaluation import forecasts

# Classes of stated probability, by doublings: 1 to 1/2, 1/2 to 1/4, ...; then all below LEAST_PROBABILITY; then what is
# not in the catalogue.
DOUBLINGS: Final = round(-np.log2(LEAST_PROBABILITY))
BELOW, OUTSIDE = DOUBLINGS, DOUBLINGS + 1
CLASSES: Final = DOUBLINGS + 2
POPULAR, HISTORY, SHOWN = range(3)


@dataclass(frozen=True)
class Slated:
    """Of each like what its actor was shown within the window: from `begin[i]` to `end[i]` items by number (-1: not
    liked before) and what the slate alone would say of each; and what is `believed` besides, but for the probability of
    the like itself. Shapes (n,).
    """

    believed: Believed
    begin: I64
    end: I64
    item: I64
    p: F64


@dataclass(frozen=True)
class Sums:
    """Over likes, by forecast (POPULAR, HISTORY, SHOWN) and class, shapes (3, CLASSES): probability that was `stated`,
    likes that `came`, and the `variance` of what would have come had all been as likely as stated. `p`: what was
    stated of the likes themselves, shape (likes, 3), not a number where nothing was.
    """

    stated: F64
    came: F64
    variance: F64
    p: F64

    @property
    def likes(self) -> int:
        return int(self.came[POPULAR].sum())


def sums(likes: pa.RecordBatch, shown: Shown) -> Sums:
    """Of likes in order of time (schema `schemas.LIKES`), all of them likes, and of what was shown."""
    model, n = CoPreference(), likes.num_rows
    users, items = model.number(likes.column("actor_id"), likes.column("target_id"))
    times = likes.column("occurred_at").to_numpy()
    model.store.reserve(users)
    known = np.maximum.accumulate(np.r_[0, items + 1])
    before, after = known[:-1], known[1:]
    rest = nothing_stated(after > before)
    slated = _slated(likes, model, shown)
    parts = (np.zeros((3, CLASSES)), np.zeros((3, CLASSES)), np.zeros((3, CLASSES)), np.full((n, 3), np.nan))
    start = 0
    while start < n:
        places = new_places(n)
        stop = _follow(
            start, users, items, times, before, rest.is_new, model.prequential.calibration.table,
            model.prequential.calibration.weight, model.shares.learnt, model.shares.by_level, columns_of(rest),
            model.store.histories, model.lists, model.rates, model.contest, model._work, places,
            slated.believed, slated.begin, slated.end, slated.item, slated.p, *parts,
        )  # fmt: skip
        part = slice(start, stop)
        model.prequential.observe(Places(*(column[part] for column in places)), rest.take(np.arange(start, stop)))
        start = stop
    return Sums(*parts)


def _slated(likes: pa.RecordBatch, model: CoPreference, shown: Shown) -> Slated:
    """What was shown is mixed as services/choice does it: each like among what might have been liked instead."""
    n = likes.num_rows
    made = likes_of(likes, **forecasts.of_likes(likes))
    actor, target, time, by = made.actor, made.target, made.time, Forecasts.of(made)
    forecast = np.isfinite(by.p_history)
    # What each was shown within the window, every thing once.
    seen = shown.take(~shown.withheld)
    moments = Moments(seen.actor, seen.time)
    first, stop = moments.between(actor, time - ATTRIBUTION_MS, time + 1)
    count = np.where(forecast, stop - first, 0)
    of_like = np.repeat(np.arange(n), count)
    place = np.arange(len(of_like)) - np.repeat(np.cumsum(count) - count - first, count)
    other = seen.target[moments.order[place]]
    _, once = np.unique(mix(of_like.astype(np.uint64), other), return_index=True)
    once = np.sort(once)
    of_like, other = of_like[once], other[once]
    # What might have been liked, then the like.
    whose = np.r_[of_like, np.flatnonzero(forecast)]
    given = np.r_[np.zeros(len(of_like), np.bool_), np.ones(int(forecast.sum()), np.bool_)]
    order = np.argsort(whose, kind="stable")
    whose, given, targets = whose[order], given[order], np.r_[other, target[forecast]][order]
    no, stated = np.zeros(len(whose), np.uint64), by.take(whose)
    rows = Likes(actor[whose], targets, no, time[whose], no.astype(np.int8), np.ones(len(whose)), *stated[:2])
    of_all = Mixture().forecast(rows, stated, shown, given)
    believed = history_alone(n)
    for column, of_one in zip(believed, of_all, strict=True):
        column[forecast] = of_one[given]
    ends = np.cumsum(np.bincount(of_like, minlength=n))
    begins = np.r_[0, ends[:-1]].astype(np.int64)
    return Slated(believed, begins, ends, _numbers(model, targets[~given]), of_all.p_slate[~given])


def _numbers(model: CoPreference, targets: U64) -> I64:
    """Of hashes, -1 for what nobody likes. Shape (n,)."""
    known = hash_strings(pa.array(model.items.ids, pa.string()))
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known[order], targets), len(known) - 1)
    return np.where(known[order[place]] == targets, order[place], -1)


@njit(cache=True)
def _class(p: float) -> int:
    return min(doubling(p), BELOW) if p > 0.0 else BELOW


@njit(cache=True)
def _by_place(row: Any, weight: Any, count: int, unranked: int, score: Any, p: Any) -> float:
    """Fill `p` with what is stated of each of the first `count` candidates: by its place, ties in the middle. Returns
    what is stated of no candidate.
    """
    for_one = left_by_top(row, count) / total_of(weight, count, unranked)
    order = np.argsort(-score[:count])
    first = 0
    while first < count:
        last = first
        while last + 1 < count and score[order[last + 1]] == score[order[first]]:
            last += 1
        rank = 1 + first + (last - first) // 2
        if rank <= TOP:
            stated = row[rank - 1] / (1.0 - row[ELSEWHERE])
        else:
            stated = for_one * weight[np.searchsorted(FARTHER, rank)]
        for k in range(first, last + 1):
            p[order[k]] = stated
        first = last + 1
    return float(for_one * weight[len(FARTHER)] * unranked)


@njit(cache=True)
def _state_by_past(
    row: Any, weight: Any, item_of: Any, held: Any, work: WorkSpace, count: int, known: int, share: Any, learnt: Any,
    p: Any, candidate_p: Any,
) -> None:  # fmt: skip
    """Fill `p` for all `known` items if nothing new comes: candidates by their place, the others by their share and any
    alike, what was liked before (`held`) apart.
    """
    others = unranked_of(known, count, (held > 0.0).sum())
    unranked = _by_place(row, weight, count, others, work.score, candidate_p)
    alike, again = learnt[ALIKE_UNRANKED], learnt[AGAIN]
    group = np.zeros(known, np.int64)
    group[work.candidates[:count]] = 1
    for k in range(len(held)):
        if held[k] > 0.0:
            group[item_of[k]] = 2
    shares, counts = np.zeros(3), np.zeros(3)
    for j in range(known):
        shares[group[j]] += share[j]
        counts[group[j]] += 1.0
    for j in range(known):
        g = group[j]
        part = again if g == 2 else (1.0 - again) * unranked
        p[j] = part * blended(alike, share[j], shares[g], counts[g], known)
    for k in range(count):
        p[work.candidates[k]] = (1.0 - again) * candidate_p[k]


@njit(cache=True)
def _clearness(clear: float) -> int:
    """`calibration.clearness` of one."""
    doublings = 2 * np.log2(min(max(clear, 2.0 ** -(CLEARNESSES / 2)), 1.0)) + CLEARNESSES
    return min(int(doublings), CLEARNESSES - 1)


@njit(cache=True)
def _follow(
    start: int, users: Any, items: Any, times: Any, before: Any, is_new: Any, table: Any,
    weight: Any, learnt: Any, learnt_by_level: Any, rest: Columns,
    histories: Histories, lists: Lists, rates: Rates, contest: Contest, work: Any, places: Places,
    believed: Believed, begin: Any, end: Any, slate_item: Any, slate_p: Any,
    stated: Any, came: Any, variance: Any, p_liked: Any,
) -> int:  # fmt: skip
    """State, score and learn likes up to where probabilities are calibrated anew; returns where that is."""
    most = len(lists.total)
    by_past, extra, candidate_p = np.zeros(most), np.zeros(most), np.zeros(len(work.score))
    sums = np.zeros((3, CLASSES))
    for i in range(start, len(users)):
        user, item, known = users[i], items[i], before[i]
        score_like(i, user, item, histories, lists, rates, contest, work, most, places)
        scored = places.rank[i] >= 0
        if scored:
            clear, count = _clearness(places.clear[i]), places.candidates[i]
            share = rates.value[MONTH, :known] / max(rates.total[MONTH], 1e-300)
            now = shares_of(learnt)
            old, alike = 1.0 - now[NEW], now[ALIKE]
            factors = factors_of(learnt_by_level)
            of_level = blended_by_level(places.level_shares[i], places.level_things[i], alike, known)
            factors *= old / (factors * of_level).sum()
            place = slice(histories.start[user], histories.start[user] + histories.length[user])
            item_of, held = histories.item[place], histories.held[place]
            _state_by_past(
                table[clear], weight[clear], item_of, held, work, count, known, share, now, by_past, candidate_p
            )
            sums[:] = 0.0
            rho, popular_share, any_share = believed.rho[i], believed.popular[i], believed.anything[i]
            for k in range(begin[i], end[i]):
                given = rho * slate_p[k]
                if 0 <= slate_item[k] < known:
                    extra[slate_item[k]] = given
                else:
                    given += (1 - rho) * believed.of_new[i] * now[NEW] / (known + 1.0)
                    sums[SHOWN, _class(given)] += given
                    if slate_item[k] == item:
                        p_liked[i, SHOWN] = given
            for j in range(known):
                level = level_of(rates.value[MONTH, j], rates.total[MONTH])
                popular = factors[level] * blended(alike, share[j], 1.0, known, known)
                by_past[j] *= old
                mixed = (1 - popular_share - any_share) * by_past[j] + popular_share * popular + any_share * old / known
                with_slate = (1 - rho) * believed.of_known[i] * mixed + extra[j]
                extra[j] = 0.0
                sums[POPULAR, _class(popular)] += popular
                sums[HISTORY, _class(by_past[j])] += by_past[j]
                sums[SHOWN, _class(with_slate)] += with_slate
                if j == item:
                    p_liked[i, POPULAR], p_liked[i, HISTORY], p_liked[i, SHOWN] = popular, by_past[j], with_slate
            for f in range(3):
                sums[f, OUTSIDE] = 1.0 - sums[f].sum()
                came[f, _class(p_liked[i, f]) if p_liked[i, f] == p_liked[i, f] else OUTSIDE] += 1
                for c in range(CLASSES):
                    stated[f, c] += sums[f, c]
                    variance[f, c] += sums[f, c] * (1.0 - sums[f, c])
        follow_like(i, places, before, is_new, learnt, learnt_by_level, rest)
        advance(rates, times[i])
        learn(user, item, times[i], 1.0, histories, lists, rates)
        if scored and contest.state[SCORED] == next_recalibration(contest.state[SCORED] - 1):
            return i + 1
    return len(users)
