"""A made platform whose truth is known: slates with known propensities, items kept back at random, users kept out, and
people who like some things whether they are shown or not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from services.choice.log import F64, I64, NO_SLATE, Bools, Likes, Log, Shown
from shared.events import SURFACES
from shared.exposures import HOLDOUT, NO_ARM, TREATED
from shared.hashing import U64, mix

DAY_MS: Final = 86_400_000
BEGIN_MS: Final = 1_767_225_600_000
POLICY: Final = "policy-a"
_RECOMMENDED, _ORGANIC, _UNKNOWN = (SURFACES.index(name) for name in ("recommended", "organic", "unknown"))
# A like comes so long after the slate at most.
_REACTION_MS: Final = 7_200_000


@dataclass(frozen=True)
class World:
    """`explored`: share of slates in random order; `withheld`: share of chosen items kept back; `in_arms`: share of
    people in an experiment, half of them held out; `caused_share`: of the likes of what is shown. Rank k is looked at
    with probability (k + 1)^-`decay`; `appeal`: the mean probability that what is looked at is liked; `named`: of likes
    that slates brought, the share that name theirs.
    """

    people: int = 600
    slates: int = 6
    size: int = 10
    candidates: int = 20
    days: int = 20
    explored: float = 0.5
    withheld: float = 0.1
    in_arms: float = 0.4
    caused_share: float = 0.3
    decay: float = 0.7
    appeal: float = 0.4
    unknown_surface: float = 0.2
    named: float = 0.0
    # What may be wrong with a log: each makes some figure unidentifiable.
    propensities: bool = True
    propensities_true: bool = True
    withheld_by_rank: bool = False

    def theta(self) -> F64:
        """How likely each rank is looked at, shape (size,)."""
        return np.asarray((np.arange(self.size) + 1.0) ** -self.decay, np.float64)


@dataclass(frozen=True)
class Made:
    """A log; of each of its shown rows how likely it was liked if shown and if not; and of each of its likes the slate
    that brought it, NO_SLATE where none did.
    """

    log: Log
    if_shown: F64
    if_withheld: F64
    came_from: I64


def make(world: World, seed: int) -> Made:
    rng = np.random.default_rng(seed)
    slates = world.people * world.slates
    person = np.repeat(np.arange(world.people), world.slates)
    time = BEGIN_MS + np.sort(rng.integers(0, world.days * DAY_MS, slates))
    rng.shuffle(person)
    arm = _arms(world, rng)[person]
    # People differ in how easily they like.
    ease = rng.beta(2, 2, world.people)[person]
    appeal = np.minimum(2 * world.appeal * ease[:, None] * rng.beta(2, 3, (slates, world.candidates)) / 0.4, 0.95)
    chosen, base = _chosen(world, appeal, rng)
    ranks = np.broadcast_to(np.arange(world.size), chosen.shape)
    attracts = np.take_along_axis(appeal, chosen, 1)
    looked = world.theta()[ranks]
    propensity = world.explored / world.candidates + (1 - world.explored) * (base == ranks)
    kept_back = _kept_back(world, arm, ranks, rng)
    organic = _organic(world.caused_share, looked * attracts, attracts)
    if_shown, if_withheld = 1 - (1 - looked * attracts) * (1 - organic), organic
    nudged = (rng.random(chosen.shape) < looked * attracts) & ~kept_back
    liked = nudged | (rng.random(chosen.shape) < organic)
    shown = _shown(world, person, time, arm, chosen, ranks, propensity, kept_back, rng)
    likes = _likes(world, shown, nudged.ravel(), liked.ravel(), rng)
    # Drawn last: the same likes come whoever says what.
    names = rng.random(len(likes)) < world.named
    said = replace(likes, slate=np.where(names, likes.slate, NO_SLATE))
    log = Log(said, shown, (POLICY,), BEGIN_MS + (world.days + 2) * DAY_MS)
    return Made(log, if_shown.ravel(), if_withheld.ravel(), likes.slate)


def _arms(world: World, rng: np.random.Generator) -> I64:
    drawn = rng.random(world.people)
    held_out = np.where(drawn < world.in_arms / 2, HOLDOUT, TREATED)
    return np.where(drawn < world.in_arms, held_out, NO_ARM)


def _chosen(world: World, appeal: F64, rng: np.random.Generator) -> tuple[I64, I64]:
    """Candidates by rank, and where the policy would have put each without chance. Shapes (slates, size)."""
    preferred = np.argsort(-appeal * rng.lognormal(0, 0.3, appeal.shape), axis=1)
    random = np.argsort(rng.random(appeal.shape), axis=1)
    explores = rng.random(len(appeal)) < world.explored
    chosen = np.where(explores[:, None], random, preferred)[:, : world.size]
    rank_of = np.argsort(preferred, axis=1)
    return chosen, np.take_along_axis(rank_of, chosen, 1)


def _kept_back(world: World, arm: I64, ranks: I64, rng: np.random.Generator) -> Bools:
    odds = np.full(ranks.shape, world.withheld)
    if world.withheld_by_rank:
        odds = np.minimum(world.withheld * 2 * (ranks + 1) / world.size, 1.0)
    by_item: Bools = (rng.random(ranks.shape) < odds) & (arm == NO_ARM)[:, None]
    return by_item | (arm == HOLDOUT)[:, None]


def _organic(caused_share: float, nudge: F64, attracts: F64) -> F64:
    """How likely each is liked without being shown, in proportion to its appeal: so that the share is as planted."""
    low, high = 0.0, 1.0 / float(attracts.max())
    for _ in range(50):
        middle = (low + high) / 2
        organic = middle * attracts
        share = 1 - organic.mean() / (1 - (1 - nudge) * (1 - organic)).mean()
        low, high = (low, middle) if share < caused_share else (middle, high)
    return low * attracts


def _shown(
    world: World, person: I64, time: I64, arm: I64, chosen: I64, ranks: I64, propensity: F64, kept_back: Bools,
    rng: np.random.Generator,
) -> Shown:  # fmt: skip
    n, slates = chosen.size, np.repeat(np.arange(len(person)), world.size)
    if not world.propensities:
        propensity = np.full(chosen.shape, np.nan)
    elif not world.propensities_true:
        propensity = propensity * rng.uniform(0.3, 0.9, chosen.shape)
    # Things are new each time: what is liked is liked once.
    target = mix(slates.astype(np.uint64) + np.uint64(1), chosen.ravel().astype(np.uint64))
    return Shown(
        # From 1 on: NO_SLATE is none.
        slates + 1,
        person_ids(person)[slates],
        target,
        mix(target % np.uint64(500) + np.uint64(1), np.full(n, 7, np.uint64)),
        time[slates],
        np.full(n, _RECOMMENDED, np.int8),
        arm[slates].astype(np.int8),
        np.zeros(n, np.int64),
        ranks.ravel().astype(np.int64),
        propensity.ravel(),
        np.full(n, world.candidates),
        kept_back.ravel(),
    )


def _likes(world: World, shown: Shown, nudged: Bools, liked: Bools, rng: np.random.Generator) -> Likes:
    """Each with the slate that brought it."""
    rows = np.flatnonzero(liked)
    surface = np.where(nudged[rows], _RECOMMENDED, _ORGANIC)
    surface = np.where(rng.random(len(rows)) < world.unknown_surface, _UNKNOWN, surface)
    time = shown.time[rows] + rng.integers(0, _REACTION_MS, len(rows))
    ones, nothing = np.ones(len(rows)), np.full(len(rows), np.nan)
    columns = (shown.actor[rows], shown.target[rows], shown.creator[rows])
    slate = np.where(nudged[rows], shown.slate[rows], NO_SLATE)
    likes = Likes(*columns, time, surface.astype(np.int8), ones, nothing, nothing, slate=slate)
    return likes.take(np.argsort(time, kind="stable"))


def person_ids(number: I64) -> U64:
    return mix(number.astype(np.uint64) + np.uint64(1), np.full(len(number), 3, np.uint64))
