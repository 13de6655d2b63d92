"""A made world for choice bits: each like is drawn from a known mixture of what its person was shown and the person's
taste, and the true forecasts by popularity and by taste are in the log. So what a like holds in the mean, over all
people there could be, is known exactly, whatever the forecaster of what is shown believes by then.

People are of types, which differ in taste and in how many likes they give: who gives many weighs more in the figure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from services.choice.log import ATTRIBUTION_MS, F64, HOUR_MS, I64, Likes, Log, Shown
from shared.events import SURFACES
from shared.exposures import NO_ARM
from truelike.evaluation.choice_world import BEGIN_MS, DAY_MS, POLICY, person_ids

# What types like is the same in all worlds; whom a seed makes is not.
_TASTES: Final = 11
# A like comes so long after its slate.
REACTION_MS: Final = HOUR_MS
# So that no like is within the window of two slates.
_APART_MS: Final = ATTRIBUTION_MS + 2 * REACTION_MS
_RECOMMENDED, _ORGANIC = SURFACES.index("recommended"), SURFACES.index("organic")


@dataclass(frozen=True)
class BitsWorld:
    """`rho`: share of likes that are of the slate, by rank as (k + 1)^-`decay`. A person gives n likes, `least` to
    `most`, with probability in proportion to n^-(1 + tail): the less, the heavier. The first of `tail` is that of the
    types of the narrowest tastes, the last of the broadest.
    """

    people: int = 300
    items: int = 60
    size: int = 8
    types: int = 12
    rho: float = 0.5
    decay: float = 0.7
    tail: tuple[float, ...] = (0.0,)
    least: int = 6
    most: int = 16

    @property
    def days(self) -> int:
        return -(-self.most * 2 * _APART_MS // DAY_MS)

    def theta(self) -> F64:
        """Of each rank, how likely a like of the slate is of it. Shape (size,)."""
        odds = (np.arange(self.size) + 1.0) ** -self.decay
        return np.asarray(odds / odds.sum(), np.float64)

    def tastes(self) -> F64:
        """Shape (types, items)."""
        rng, breadths = np.random.default_rng(_TASTES), np.geomspace(0.03, 1.0, self.types)
        drawn = np.stack([rng.dirichlet(np.full(self.items, breadth)) for breadth in breadths])
        return np.asarray(0.98 * drawn + 0.02 / self.items, np.float64)

    def popular(self) -> F64:
        """What all types like in the mean. Shape (items,)."""
        return np.asarray(self.tastes().mean(axis=0), np.float64)

    def counts(self) -> F64:
        """Of each type, how probable each number of likes is, from `least` on. Shape (types, n)."""
        tails = np.array(self.tail)[np.arange(self.types) * len(self.tail) // self.types]
        odds = np.arange(self.least, self.most + 1.0)[None, :] ** -(1 + tails[:, None])
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float64)

    def truth(self, rho: float, theta: F64, by_popularity: float = 0.0) -> dict[tuple[str, str], float]:
        """By (bits of, surface) the mean over the likes of all people there could be, for a forecaster who believes in
        this rho, these odds of each rank, shape (size,), and this share of popularity in what slates leave over.
        """
        taste, popular = self.tastes()[:, :, None], self.popular()[None, :, None]
        # An item is at each rank with 1 / items, or else not in the slate.
        slate, believed = self.rho * np.r_[self.theta(), 0.0], rho * np.r_[theta / theta.sum(), 0.0]
        place = np.full(self.size + 1, 1 / self.items)
        place[-1] = 1 - self.size / self.items
        p_history = np.broadcast_to(taste, (self.types, self.items, self.size + 1))
        p_popular = np.broadcast_to(popular, p_history.shape)
        p_shown, other = (
            believed + (1 - rho) * ((1 - by_popularity) * p + by_popularity * p_popular) for p in (p_history, p_popular)
        )
        parts = {
            "history": np.log2(p_history / p_popular),
            "shown": np.log2(p_shown / p_history),
            "rest": -np.log2(p_shown),
            "shown_first": np.log2(other / p_popular),
        }
        # People are of each type alike, and a like's type goes by how many likes types give.
        given = self.counts() @ np.arange(self.least, self.most + 1.0)
        of_type = (given / given.sum())[:, None, None]
        liked = {
            "recommended": of_type * place * np.broadcast_to(slate, p_history.shape),
            "organic": of_type * place * (1 - self.rho) * p_history,
        }
        liked["all"] = liked["recommended"] + liked["organic"]
        return {
            (name, surface): float((weight * part).sum() / weight.sum())
            for surface, weight in liked.items()
            for name, part in parts.items()
        }


def make(world: BitsWorld, seed: int) -> Log:
    rng = np.random.default_rng(seed)
    of_type = rng.integers(0, world.types, world.people)
    count = world.least + _drawn(world.counts()[of_type], rng)
    who = np.repeat(np.arange(world.people), count)
    time = _times(world, count, rng)
    order = np.argsort(time, kind="stable")
    who, time, n = who[order], time[order], len(order)
    slates = np.argsort(rng.random((n, world.items)), axis=1)[:, : world.size]
    nudged = rng.random(n) < world.rho
    rank = _drawn(np.broadcast_to(world.theta(), (n, world.size)), rng)
    taste = world.tastes()[of_type[who]]
    item = np.where(nudged, slates[np.arange(n), rank], _drawn(taste, rng))
    surface = np.where(nudged, _RECOMMENDED, _ORGANIC).astype(np.int8)
    target, creator = (item + 1).astype(np.uint64), (item + 1).astype(np.uint64)
    likes = Likes(
        person_ids(who), target, creator, time + REACTION_MS, surface, np.ones(n), world.popular()[item],
        taste[np.arange(n), item],
    )  # fmt: skip
    until = BEGIN_MS + (world.days + 2) * DAY_MS
    return Log(likes, _shown(world, who, time, slates), (POLICY,), until)


def without_exposures(log: Log) -> Log:
    return replace(log, shown=log.shown.take(slice(0, 0)))


def _times(world: BitsWorld, count: I64, rng: np.random.Generator) -> I64:
    """Of each person's slates, at moments that lie apart. Shape (likes,)."""
    moments = world.days * DAY_MS // _APART_MS
    chosen = np.argsort(rng.random((len(count), moments)), axis=1)
    return BEGIN_MS + chosen[np.arange(moments) < count[:, None]] * _APART_MS


def _drawn(odds: F64, rng: np.random.Generator) -> I64:
    """One of each row. Shape (n,)."""
    below = np.cumsum(odds, axis=1)
    return np.minimum((rng.random(len(odds))[:, None] > below).sum(axis=1), odds.shape[1] - 1)


def _shown(world: BitsWorld, who: I64, time: I64, slates: I64) -> Shown:
    rows = np.repeat(np.arange(len(who)), world.size)
    n, no = len(rows), np.zeros(len(rows), np.int64)
    target = (slates.ravel() + 1).astype(np.uint64)
    return Shown(
        rows, person_ids(who)[rows], target, target, time[rows], np.full(n, _RECOMMENDED, np.int8),
        np.full(n, NO_ARM, np.int8), no, np.tile(np.arange(world.size), len(who)), np.full(n, np.nan), no,
        np.zeros(n, np.bool_),
    )  # fmt: skip
