"""A made platform of buyers: how much of what is bought is on which rung of the ladder is planted, and how much of what
agents buy under a standing mandate is of somebody whom their person never met.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from services.choice.figures.buyer_ladder import CONFIRMED, RUNGS, SIGNED, STANDING, UNKNOWN
from services.choice.log import F64, I64, Bools, Buys, Likes, Log, Shown
from shared.events import MANDATES, SIGNATURES, SURFACES, USER_PRESENT
from shared.exposures import NO_ARM
from shared.hashing import U64, mix
from truelike.evaluation.choice_world import BEGIN_MS, DAY_MS, POLICY, person_ids

_SEARCH, _RECOMMENDED = SURFACES.index("search"), SURFACES.index("recommended")
_CREATOR: Final = 13


@dataclass(frozen=True)
class BuyerWorld:
    """`busy`: share of people who buy some seven times as much, a geometric number in the mean of `few` or `many`, and
    on other rungs; `of_few`, `of_many`: how their buys are shared among rungs. People differ about that (`spread`: the
    more, the less; 0: each buys on one rung only), and about the share of a mandate's buys that is `new` to them.
    """

    people: int = 1_500
    days: int = 20
    busy: float = 0.15
    few: float = 2.0
    many: float = 15.0
    of_few: tuple[float, ...] = (0.75, 0.13, 0.05, 0.05, 0.02)
    of_many: tuple[float, ...] = (0.3, 0.3, 0.16, 0.2, 0.04)
    spread: float = 2.0
    new: float = 0.35

    def shares(self) -> F64:
        """Of the buys of all people there could be. Shape (rungs,)."""
        few, many = (1 - self.busy) * self.few, self.busy * self.many
        return (few * np.array(self.of_few) + many * np.array(self.of_many)) / (few + many)

    def truth(self, rung: str, new: bool) -> float:
        return self.new if new else float(self.shares()[RUNGS.index(rung)])


def make(world: BuyerWorld, seed: int) -> Log:
    rng = np.random.default_rng(seed)
    busy = rng.random(world.people) < world.busy
    count = rng.geometric(1 / np.where(busy, world.many, world.few))
    who = rng.permutation(np.repeat(np.arange(world.people), count))
    n = len(who)
    time = BEGIN_MS + np.sort(rng.integers(0, world.days * DAY_MS, n))
    rung = _rungs(world, busy, who, rng)
    # About what is new people differ, too: half of them twice as much as the others.
    new = rng.random(n) < world.new * np.where(who % 2, 4 / 3, 2 / 3)
    creator = mix(np.arange(1, n + 1).astype(np.uint64), np.full(n, _CREATOR, np.uint64))
    signature = np.where(rung >= SIGNED, SIGNATURES.index("valid"), SIGNATURES.index("none"))
    mandate = np.where(rung == CONFIRMED, MANDATES.index("cart"), MANDATES.index("none"))
    mandate = np.where(rung == STANDING, MANDATES.index("standing"), mandate)
    present = np.where(rung == CONFIRMED, USER_PRESENT.index("yes"), USER_PRESENT.index("unknown"))
    buys = Buys(
        person_ids(who), np.arange(1, n + 1).astype(np.uint64), creator, time, np.full(n, _SEARCH, np.int8),
        rung > UNKNOWN, signature.astype(np.int8), mandate.astype(np.int8), present.astype(np.int8),
    )  # fmt: skip
    shown = _shown(who, creator, time - DAY_MS, new)
    until = BEGIN_MS + (world.days + 2) * DAY_MS
    return Log(_no_likes(), shown, (POLICY,), until, buys=buys)


def _rungs(world: BuyerWorld, busy: Bools, who: I64, rng: np.random.Generator) -> I64:
    """Of each buy. Shape (n,)."""
    odds = np.where(busy[:, None], np.array(world.of_many), np.array(world.of_few))
    if world.spread:
        # As Dirichlet draws; what nobody does stays at nothing.
        odds = rng.gamma(np.maximum(world.spread * odds, 1e-9))
        odds /= odds.sum(axis=1, keepdims=True)
        drawn = rng.random(len(who))
    else:
        drawn = rng.random(world.people)[who]
    return np.minimum((drawn[:, None] > np.cumsum(odds, axis=1)[who]).sum(axis=1), len(RUNGS) - 1)


def _shown(who: I64, creator: U64, time: I64, new: Bools) -> Shown:
    """A day before each buy: something else of its creator. Of what is new to the person chance kept it back."""
    n, no = len(who), np.zeros(len(who), np.int64)
    return Shown(
        np.arange(n), person_ids(who), creator + np.uint64(1), creator, time, np.full(n, _RECOMMENDED, np.int8),
        np.full(n, NO_ARM, np.int8), no, no, np.full(n, np.nan), no, new,
    )  # fmt: skip


def _no_likes() -> Likes:
    ids, codes, real = np.zeros(0, np.uint64), np.zeros(0, np.int8), np.zeros(0)
    return Likes(ids, ids, ids, np.zeros(0, np.int64), codes, real, real, real)
