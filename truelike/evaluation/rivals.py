"""What others do, measured by the same protocol: for each like of a user with a history, rank all items, own ones
left out, ties in the middle; then learn. Pure; compiled where it is a loop over likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from truelike.evaluation.stream import Stream

I64 = npt.NDArray[np.int64]

# A dense item-by-item matrix of more items than this does not fit a small machine, and inverting one of more than
# that, twenty times, takes too long.
MOST_DENSE: Final = 10_000
MOST_INVERTED: Final = 4_000
NOT_SCORED: Final = -1


@dataclass(frozen=True)
class Outcome:
    """Place of each like, shape (n,): from 1; NOT_SCORED. `state_bytes`: what had to be kept."""

    rank: I64
    state_bytes: int


@njit(cache=True)
def _place(score: Any, item: int, own: Any, count: int) -> int:
    """Place of `item`; its user's own items (the first `count` of `own`) are left out, and come last if liked again."""
    wanted = score[item]
    kept = np.empty(count, score.dtype)
    for k in range(count):
        kept[k] = score[own[k]]
        score[own[k]] = -np.inf
    higher = equal = 0
    for j in range(len(score)):
        higher += score[j] > wanted
        equal += score[j] == wanted
    again = score[item] != wanted
    # Backwards, since an item may be there twice.
    for k in range(count - 1, -1, -1):
        score[own[k]] = kept[k]
    return len(score) if again else int(1 + higher + (equal - 1) // 2)


@njit(cache=True)
def _popularity(
    users: Any, items: Any, times: Any, half_life: float, starts: Any, own: Any, score: Any, rank: Any
) -> None:
    length = np.zeros(len(starts), np.int64)
    last, growth = times[0], 1.0
    for e in range(len(users)):
        user, item = users[e], items[e]
        growth *= 2.0 ** ((times[e] - last) / half_life)
        last = times[e]
        if growth > 1e200:
            score /= growth
            growth = 1.0
        if length[user] > 0:
            rank[e] = _place(score, item, own[starts[user] :], length[user])
        score[item] += growth
        own[starts[user] + length[user]] = item
        length[user] += 1


@njit(cache=True)
def _isgd(users: Any, items: Any, p: Any, q: Any, starts: Any, own: Any, rank: Any, rate: float, decay: float) -> None:
    length = np.zeros(len(starts), np.int64)
    score = np.zeros(len(q))
    for e in range(len(users)):
        user, item = users[e], items[e]
        if length[user] > 0:
            for j in range(len(q)):
                score[j] = 0.0
                for f in range(p.shape[1]):
                    score[j] += q[j, f] * p[user, f]
            rank[e] = _place(score, item, own[starts[user] :], length[user])
        error = 1.0
        for f in range(p.shape[1]):
            error -= p[user, f] * q[item, f]
        for f in range(p.shape[1]):
            before = p[user, f]
            p[user, f] += rate * (error * q[item, f] - decay * before)
            q[item, f] += rate * (error * before - decay * q[item, f])
        own[starts[user] + length[user]] = item
        length[user] += 1


@njit(cache=True)
def _by_matrix(
    users: Any,
    items: Any,
    first: int,
    stop: int,
    matrix: Any,
    weight: Any,
    starts: Any,
    own: Any,
    length: Any,
    rank: Any,
) -> None:
    """Score = sum over a user's likes of weight by recency (the last one repeated for all before) * matrix row."""
    score = np.zeros(len(matrix), np.float32)
    for e in range(first, stop):
        user, item = users[e], items[e]
        mine = own[starts[user] : starts[user] + length[user]]
        if len(mine) > 0:
            score[:] = 0.0
            for back in range(len(mine)):
                w = weight[min(back, len(weight) - 1)]
                if w == 0.0:
                    break
                row = matrix[mine[len(mine) - 1 - back]]
                for j in range(len(score)):
                    score[j] += np.float32(w) * row[j]
            rank[e] = _place(score, item, mine, len(mine))
        own[starts[user] + length[user]] = item
        length[user] += 1


@njit(cache=True)
def _cosine(users: Any, items: Any, pairs: Any, weight: Any, starts: Any, own: Any, rank: Any) -> None:
    length = np.zeros(len(starts), np.int64)
    total = np.zeros(len(pairs), np.float32)
    score = np.zeros(len(pairs), np.float32)
    for e in range(len(users)):
        user, item = users[e], items[e]
        mine = own[starts[user] : starts[user] + length[user]]
        if len(mine) > 0:
            score[:] = 0.0
            for back in range(len(mine)):
                w = weight[min(back, len(weight) - 1)]
                if w == 0.0:
                    break
                other = mine[len(mine) - 1 - back]
                part = np.float32(w / np.sqrt(total[other]))
                for j in range(len(score)):
                    score[j] += part * pairs[other, j]
            for j in range(len(score)):
                score[j] /= np.sqrt(total[j] + np.float32(1e-9))
            rank[e] = _place(score, item, mine, len(mine))
        for back in range(len(mine)):
            w = np.float32(weight[min(back, len(weight) - 1)])
            if w == 0.0:
                break
            other = mine[len(mine) - 1 - back]
            pairs[other, item] += w
            pairs[item, other] += w
        total[item] += 1
        own[starts[user] + length[user]] = item
        length[user] += 1


def _rooms(stream: Stream) -> tuple[I64, I64]:
    """Where each user's own items lie in one flat array, and that array."""
    counts = np.bincount(stream.users, minlength=stream.user_count)
    return np.cumsum(counts) - counts, np.zeros(len(stream), np.int64)


def _unscored(stream: Stream) -> I64:
    return np.full(len(stream), NOT_SCORED, np.int64)


def popularity(stream: Stream, half_life_days: float = np.inf) -> Outcome:
    """The most liked items, likes halving with that half-life."""
    rank, score = _unscored(stream), np.zeros(stream.item_count)
    starts, own = _rooms(stream)
    _popularity(stream.users, stream.items, stream.times, half_life_days * 86_400_000.0, starts, own, score, rank)
    return Outcome(rank, score.nbytes)


def isgd(stream: Stream, factors: int = 50, rate: float = 0.05, decay: float = 0.01, seed: int = 7) -> Outcome:
    """Incremental SGD for positive-only feedback (Vinagre, Jorge, Gama, UMAP 2014), untuned."""
    rng = np.random.default_rng(seed)
    p, q = rng.normal(0, 0.1, (stream.user_count, factors)), rng.normal(0, 0.1, (stream.item_count, factors))
    rank = _unscored(stream)
    _isgd(stream.users, stream.items, p, q, *_rooms(stream), rank, rate, decay)
    return Outcome(rank, p.nbytes + q.nbytes)


WHOLE: Final = np.ones(1)
LAST_20: Final = np.r_[2.0 ** (-np.arange(20) / 5), 0.0]


def item_item(stream: Stream, weight: npt.NDArray[np.float64] = WHOLE) -> Outcome:
    """Item-to-item co-occurrence, cosine, dense; `weight` of a user's last like, the one before, and so on."""
    count = stream.item_count
    pairs, rank = np.zeros((count, count), np.float32), _unscored(stream)
    _cosine(stream.users, stream.items, pairs, weight, *_rooms(stream), rank)
    return Outcome(rank, pairs.nbytes)


def ease(
    stream: Stream, weight: npt.NDArray[np.float64] = WHOLE, every: float = 0.05, regularisation: float = 200.0
) -> Outcome:
    """EASE (Steck, WWW 2019), retrained on all likes so far after each share `every` of the stream."""
    count, rank = stream.item_count, _unscored(stream)
    gram, model = np.zeros((count, count)), np.zeros((count, count), np.float32)
    starts, own = _rooms(stream)
    length = np.zeros(stream.user_count, np.int64)
    step = max(1, round(len(stream) * every))
    for first in range(0, len(stream), step):
        stop = min(len(stream), first + step)
        before = length.copy()
        _by_matrix(stream.users, stream.items, first, stop, model, weight, starts, own, length, rank)
        _add_pairs(gram, starts, own, before, length)
        if stop < len(stream):
            inverse = np.linalg.inv(gram + regularisation * np.eye(count))
            model = (-inverse / np.diag(inverse)).astype(np.float32)
            np.fill_diagonal(model, 0.0)
    return Outcome(rank, gram.nbytes + model.nbytes)


@njit(cache=True)
def _add_pairs(gram: Any, starts: Any, own: Any, before: Any, length: Any) -> None:
    """Add the pairs that the likes since `before` make with themselves and those before them."""
    for user in range(len(starts)):
        for new in range(before[user], length[user]):
            a = own[starts[user] + new]
            gram[a, a] += 1.0
            for old in range(new):
                b = own[starts[user] + old]
                if a != b:
                    gram[a, b] += 1.0
                    gram[b, a] += 1.0


def river(stream: Stream, name: str, scored: int, seed: int = 7) -> Outcome:
    """A recommender of River (`BiasedMF`, `FunkMF`), learning each like as 1 and, since it needs something to tell
    likes from, one item by chance as 0. Ranked by `predict_one`, and so only `scored` likes, evenly spread.

    Raises ImportError where River is not installed.
    """
    from river import reco

    rng = np.random.default_rng(seed)
    model = getattr(reco, name)(seed=seed)
    rank = _unscored(stream)
    own: list[dict[int, None]] = [{} for _ in range(stream.user_count)]
    every = max(1, len(stream) // scored)
    chance = rng.integers(0, stream.item_count, len(stream)).tolist()
    for e, (user, item) in enumerate(zip(stream.users.tolist(), stream.items.tolist(), strict=True)):
        if own[user] and e % every == 0:
            score = np.array([model.predict_one(user, j) for j in range(stream.item_count)])
            mine = np.array(list(own[user]), np.int64)
            rank[e] = _place(score, item, mine, len(mine))
        model.learn_one(user, item, 1.0)
        if chance[e] not in own[user]:
            model.learn_one(user, chance[e], 0.0)
        own[user][item] = None
    latent = 10 * 8
    return Outcome(rank, (stream.user_count + stream.item_count) * latent)
