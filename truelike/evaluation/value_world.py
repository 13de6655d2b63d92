"""A made platform for the value of likes: people's tastes are known, and how much of them shares and slates tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from services.choice.log import F64, I64, NO_LANGUAGE, Bools, Likes, Log, Shown
from services.predictor.twin import LIKE, Acts
from shared.events import ACTIONS, CONTENT_ORIGINS, SURFACES
from shared.hashing import U64, mix
from truelike.evaluation import twins
from truelike.evaluation.choice_world import BEGIN_MS, DAY_MS, POLICY

SHARE: Final = ACTIONS.index("share")
# A like that is shared is shared so much later, at most.
LAG_MS: Final = 60_000
# Between a slate and what is liked of it.
REACTION_MS: Final = 600_000


@dataclass(frozen=True)
class ValueWorld:
    """People have tastes for `topics` (the less `breadth`, the fewer each); items of a topic are liked by popularity.
    `mirrored`: share of likes that their actor also shares; `random_shares`: shares of anything, for each like;
    `slates`: for each like, slates of `size` that were shown before, `by_taste` of their items as the person likes
    things, the others by chance; `followed`: share of likes that are of what their slate showed.
    """

    people: int = 2_000
    likes: int = 20_000
    items: int = 400
    topics: int = 10
    breadth: float = 0.1
    days: int = 20
    mirrored: float = 0.0
    random_shares: float = 0.0
    slates: float = 0.0
    size: int = 8
    by_taste: float = 0.5
    followed: float = 0.3


def make(world: ValueWorld, seed: int) -> Log:
    """With both twins' forecasts."""
    rng = np.random.default_rng(seed)
    # Tastes and times of people are the seed's; what things there are is the same in all worlds.
    of_topic = np.arange(world.items) % world.topics
    fame = 1.0 / (1 + np.arange(world.items) // world.topics)
    taste = rng.dirichlet(np.full(world.topics, world.breadth), world.people)
    odds = taste[:, of_topic] * fame
    odds /= odds.sum(axis=1, keepdims=True)
    eager = rng.gamma(2.0, 1.0, world.people)
    who = rng.choice(world.people, world.likes, p=eager / eager.sum())
    time = BEGIN_MS + np.sort(rng.integers(0, world.days * DAY_MS, world.likes))
    item = _drawn(odds[who], rng)
    shown = _slates(world, odds, who, time, rng)
    if len(shown):
        item = _followed(world, shown, item, rng)
    first = _first(who, item)
    who, time, item = who[first], time[first], item[first]
    actions = _actions(world, who, time, item, rng)
    p_with, p_without = twins.forecasts(actions, shown)
    liked = actions.kind == LIKE
    n = int(liked.sum())
    no = np.zeros(n, np.uint64)
    likes = Likes(
        actions.actor[liked], actions.target[liked], no, actions.time[liked],
        np.full(n, SURFACES.index("organic"), np.int8), np.ones(n), np.full(n, np.nan), np.full(n, np.nan),
        _origin(actions.target[liked]), _language(actions.target[liked]), p_with[liked], p_without[liked],
    )  # fmt: skip
    likes = twins.with_slates(likes, shown)
    until = BEGIN_MS + (world.days + 2) * DAY_MS
    others = int((~liked).sum())
    return Log(likes, shown, (POLICY,), until, languages=("de", "ja"), others=others)


def _drawn(odds: F64, rng: np.random.Generator) -> I64:
    """One of each row. Shape (n,)."""
    below = np.cumsum(odds, axis=1)
    return np.minimum((rng.random(len(odds))[:, None] > below).sum(axis=1), odds.shape[1] - 1)


def _slates(world: ValueWorld, odds: F64, who: I64, time: I64, rng: np.random.Generator) -> Shown:
    """One before each of some likes, `slate` the number of the like."""
    at = np.flatnonzero(rng.random(len(who)) < world.slates)
    slate = np.repeat(at, world.size)
    by_taste = rng.random(len(slate)) < world.by_taste
    target = rng.integers(0, world.items, len(slate))
    target[by_taste] = _drawn(odds[who[slate[by_taste]]], rng)
    n, no = len(slate), np.zeros(len(slate), np.int64)
    return Shown(
        slate, _ids(who[slate], 3), _ids(target, 5), no.astype(np.uint64), time[slate] - REACTION_MS,
        np.full(n, SURFACES.index("recommended"), np.int8), no.astype(np.int8), no,
        np.tile(np.arange(world.size), len(at)), np.full(n, np.nan), no, np.zeros(n, np.bool_),
    )  # fmt: skip


def _followed(world: ValueWorld, shown: Shown, item: I64, rng: np.random.Generator) -> I64:
    """Of some likes that had a slate, one of its items instead."""
    had = np.unique(shown.slate)
    chosen = shown.target.reshape(len(had), world.size)[np.arange(len(had)), rng.integers(0, world.size, len(had))]
    follows = rng.random(len(had)) < world.followed
    ids = _ids(np.arange(world.items), 5)
    order = np.argsort(ids)
    numbers = order[np.searchsorted(ids[order], chosen)]
    found = item.copy()
    found[had[follows]] = numbers[follows]
    return found


def _first(who: I64, item: I64) -> Bools:
    """Which likes are a person's first of that item: a thing is liked once."""
    _, first = np.unique(np.stack([who, item], axis=1), axis=0, return_index=True)
    found = np.zeros(len(who), np.bool_)
    found[first] = True
    return found


def _actions(world: ValueWorld, who: I64, time: I64, item: I64, rng: np.random.Generator) -> Acts:
    n = len(who)
    mirrored = np.flatnonzero(rng.random(n) < world.mirrored)
    by_chance = np.flatnonzero(rng.random(n) < world.random_shares)
    actors = np.concatenate((who, who[mirrored], rng.permutation(who)[by_chance]))
    targets = np.concatenate((item, item[mirrored], rng.permutation(item)[by_chance]))
    lag = rng.integers(1, LAG_MS, n)
    times = np.concatenate((time, time[mirrored] + lag[mirrored], time[by_chance] + lag[by_chance]))
    kinds = np.r_[np.full(n, LIKE), np.full(len(mirrored) + len(by_chance), SHARE)].astype(np.int8)
    return Acts(_ids(actors, 3), _ids(targets, 5), times, kinds).take(np.argsort(times, kind="stable"))


def _ids(numbers: I64, salt: int) -> U64:
    return mix(numbers.astype(np.uint64) + np.uint64(1), np.full(len(numbers), salt, np.uint64))


def _origin(target: U64) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """A third of the things is of unknown origin."""
    names = ("unknown", "human", "ai")
    return np.array([CONTENT_ORIGINS.index(name) for name in names], np.int8)[(target % np.uint64(3)).astype(np.int64)]


def _language(target: U64) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([0, 1, NO_LANGUAGE], np.int32)[(target % np.uint64(7) % np.uint64(3)).astype(np.int64)]
