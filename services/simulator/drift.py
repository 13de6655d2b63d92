"""How being shown things changes what people look for by themselves.

One creator in ten stays in mind. The more slates of the learner's a person was shown, the more of that person's organic
and search likes go to things of the one of these creators whom a slate showed last. Who is held out is not moved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from services.simulator.feeds import ORGANIC, SEARCH
from services.simulator.likes import F64, I64, Bools, Likes
from services.simulator.policies import LEARNER
from services.simulator.scene import Scene
from services.simulator.slates import Slates
from services.simulator.world import PERSON_KIND
from shared.measures.divergence import divergence

# Of the creators, one in so many stays in mind.
ONE_IN: Final = 10
# After so many slates 63 % of what will once be moved is.
SLATES: Final = 20.0
OWN: Final = (ORGANIC, SEARCH)


@dataclass(frozen=True)
class Pull:
    """With which probability likes are moved, and to the creator of which number. Shapes (n,)."""

    probability: F64
    towards: I64


class Drift:
    """`share`: of a person's own likes, those that are moved in the end."""

    def __init__(self, rng: np.random.Generator, scene: Scene, movable: Bools, share: float) -> None:
        self._rng, self._movable, self._share = rng, movable, share
        people, feeds = scene.people, scene.feeds
        self._number = np.full(people.count, -1)
        self._number[people.creators] = np.arange(len(people.creators))
        # Things of creator c: _things[_at[c] : _at[c + 1]].
        of_creator = self._number[feeds.creators]
        self._things = np.argsort(of_creator, kind="stable")
        self._at = np.searchsorted(of_creator[self._things], np.arange(len(people.creators) + 1))
        self._creators = people.creators
        self._stays = (np.arange(len(people.creators)) % ONE_IN == ONE_IN - 3) & (np.diff(self._at) > 0)
        # By person: the number of the creator who stays in mind, how many slates, and when the first one came.
        self._in_mind = np.full(people.count, -1)
        self._slates = np.zeros(people.count, np.int64)
        self._begun_ms = np.full(people.count, np.iinfo(np.int64).max)
        # Own likes by number of creator, as the world has them, and as they are to be expected.
        self.usual, self.moved = np.zeros((2, len(people.creators)))

    def shown(self, slates: Slates) -> None:
        """In order of time, of which the learner's count."""
        slates = slates.take((slates.policies == LEARNER) & self._movable[slates.actors])
        np.add.at(self._slates, slates.actors, 1)
        np.minimum.at(self._begun_ms, slates.actors, slates.times_ms)
        number = self._number[slates.creators]
        slate, rank = np.nonzero(self._stays[number] & ~slates.withheld)
        # Of several slates the last one's, of its things the last one.
        self._in_mind[slates.actors[slate]] = number[slate, rank]

    def pull(self, likes: Likes) -> Pull:
        """Of likes, by what was shown until now; none but of what people look for by themselves."""
        own = np.flatnonzero((likes.kinds == PERSON_KIND) & np.isin(likes.surfaces, OWN))
        own = own[self._in_mind[likes.actors[own]] >= 0]
        probability, towards = np.zeros(len(likes)), np.full(len(likes), -1)
        probability[own] = self._share * (1 - np.exp(-self._slates[likes.actors[own]] / SLATES))
        towards[own] = self._in_mind[likes.actors[own]]
        return Pull(probability, towards)

    def move(self, likes: Likes, pull: Pull) -> Likes:
        """With the targets and creators of those that are moved."""
        rng = self._rng
        gone = np.flatnonzero(rng.random(len(likes)) < pull.probability)
        targets, creators = likes.targets.copy(), likes.creators.copy()
        number = pull.towards[gone]
        first, count = self._at[number], self._at[number + 1] - self._at[number]
        targets[gone] = self._things[first + (rng.random(len(gone)) * count).astype(np.int64)]
        creators[gone] = self._creators[number]
        return replace(likes, targets=targets, creators=creators)

    def count(self, likes: Likes, pull: Pull, given: Bools) -> None:
        """Likes as they were before any was moved, but with the surfaces by which they came in the end; and which of
        them were given. Counted are those of who was shown the learner's slates, from the first one on.
        """
        which = np.flatnonzero(given & np.isin(likes.surfaces, OWN) & (likes.actors < len(self._movable)))
        which = which[likes.times_ms[which] >= self._begun_ms[likes.actors[which]]]
        number, moved, towards = self._number[likes.creators[which]], pull.probability[which], pull.towards[which]
        np.add.at(self.usual, number, 1)
        np.add.at(self.moved, number, 1 - moved)
        np.add.at(self.moved, towards[moved > 0], moved[moved > 0])

    def expected(self) -> float:
        """Bits that what people look for by themselves has come apart from what the held out look for, so far."""
        return divergence(self.usual, self.moved)
