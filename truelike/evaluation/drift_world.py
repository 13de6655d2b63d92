"""A made experiment: people who are shown a policy's choice come to look for other creators than those who are not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.choice.figures.induced_drift import TOPIC
from services.choice.log import F64, I64, Bools, Likes, Log, Shown
from shared.events import SURFACES
from shared.exposures import HOLDOUT, TREATED
from shared.hashing import U64, mix
from shared.measures.divergence import divergence
from truelike.evaluation.choice_world import BEGIN_MS, DAY_MS, POLICY


@dataclass(frozen=True)
class DriftWorld:
    """`moved`: share of treated people's own likes that go to what the policy promotes, a tenth of the creators, half
    of those of one topic. People's tastes differ (`spread`: the more, the less), and so do the likes they give.
    """

    people: int = 400
    likes: int = 4_000
    creators: int = 80
    topics: int = 5
    days: int = 20
    held_out: float = 0.4
    moved: float = 0.25
    spread: float = 5.0

    def tastes(self) -> tuple[F64, F64]:
        """The mean share of each creator among those who were held out and those who were not."""
        usual = 1 / (np.arange(self.creators) + 5.0)
        usual /= usual.sum()
        promoted = np.where(np.arange(self.creators) % 10 == 9, 1.0, 0.0)
        return usual, (1 - self.moved) * usual + self.moved * promoted / promoted.sum()

    def topic_of(self, creator: I64) -> I64:
        """By number, from 0."""
        return creator % self.topics

    def truth(self, by: str) -> float:
        """`by`: creator or topic."""
        numbers = np.arange(self.creators)
        kind = self.topic_of(numbers) if by == TOPIC else numbers
        usual, moved = (np.bincount(kind, taste).astype(np.float64) for taste in self.tastes())
        return divergence(usual, moved)


def make(world: DriftWorld, seed: int) -> Log:
    rng = np.random.default_rng(seed)
    treated = rng.random(world.people) >= world.held_out
    usual, moved = world.tastes()
    own = rng.dirichlet(world.spread * usual * world.creators, world.people)
    own_moved = rng.dirichlet(world.spread * moved * world.creators, world.people)
    tastes = np.where(treated[:, None], own_moved, own)
    eager = rng.gamma(2.0, 1.0, world.people)
    who = rng.choice(world.people, world.likes, p=eager / eager.sum())
    below = np.cumsum(tastes, axis=1)[who]
    creator = np.minimum((rng.random(world.likes)[:, None] > below).sum(axis=1), world.creators - 1)
    time = BEGIN_MS + np.sort(rng.integers(0, world.days * DAY_MS, world.likes))
    names = mix(np.arange(1, world.people + 1).astype(np.uint64), np.full(world.people, 5, np.uint64))
    ones, nothing = np.ones(world.likes), np.full(world.likes, np.nan)
    target = np.arange(1, world.likes + 1).astype(np.uint64)
    surface = rng.choice([SURFACES.index("organic"), SURFACES.index("search")], world.likes).astype(np.int8)
    creators, topics = ((number + 1).astype(np.uint64) for number in (creator, world.topic_of(creator)))
    likes = Likes(names[who], target, creators, time, surface, ones, nothing, nothing, topic=topics)
    return Log(likes, _slates(names, treated), (POLICY,), BEGIN_MS + (world.days + 2) * DAY_MS)


def _slates(names: U64, treated: Bools) -> Shown:
    """One a person, at the beginning: it says in which arm everybody is."""
    n = len(names)
    no = np.zeros(n, np.int64)
    arm = np.where(treated, TREATED, HOLDOUT).astype(np.int8)
    surface = np.full(n, SURFACES.index("recommended"), np.int8)
    target = np.full(n, 10**9, np.uint64)
    return Shown(
        np.arange(n), names, target, target, np.full(n, BEGIN_MS), surface, arm, no, no, np.full(n, np.nan), no,
        arm == HOLDOUT,
    )  # fmt: skip
