"""How being shown things changes what people look for by themselves.

One creator in ten stays in mind. The more slates of the learner's a person was shown, the more of that person's organic
and search likes go to things of the one of these creators whom a slate showed last. Who is held out is not moved.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from services.simulator.feeds import ORGANIC, SEARCH
from services.simulator.likes import F64, I64, Bools, Likes
from services.simulator.scene import Scene
from services.simulator.world import PERSON_KIND
from shared.measures.divergence import divergence

# Of the creators, one in so many stays in mind.
ONE_IN: Final = 10
# After so many slates 63 % of what will once be moved is.
SLATES: Final = 20.0
OWN: Final = (ORGANIC, SEARCH)


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
        # By person: the number of the creator who stays in mind, and slates.
        self._in_mind = np.full(people.count, -1)
        self._slates = np.zeros(people.count, np.int64)
        # Own likes by number of creator, as the world has them, and as they are to be expected.
        self.usual, self.moved = np.zeros((2, len(people.creators)))

    def shown(self, actors: I64, creators: I64, seen: Bools) -> None:
        """The learner's slates in order of time, shapes (n,) and by rank (n, SIZE); `seen` are those not withheld."""
        who = self._movable[actors]
        actors, creators, seen = actors[who], creators[who], seen[who]
        np.add.at(self._slates, actors, 1)
        number = self._number[creators]
        slate, rank = np.nonzero(seen & self._stays[number])
        self._in_mind[actors[slate]] = number[slate, rank]

    def probability(self, likes: Likes) -> F64:
        """That each is moved; 0 of all but what people look for by themselves. Shape (n,)."""
        own = np.flatnonzero((likes.kinds == PERSON_KIND) & np.isin(likes.surfaces, OWN))
        own = own[self._in_mind[likes.actors[own]] >= 0]
        found = np.zeros(len(likes))
        found[own] = self._share * (1 - np.exp(-self._slates[likes.actors[own]] / SLATES))
        return found

    def move(self, likes: Likes, probability: F64) -> tuple[I64, I64]:
        """Targets and creators, moved with these probabilities. Shapes (n,)."""
        rng = self._rng
        gone = np.flatnonzero(rng.random(len(likes)) < probability)
        targets, creators = likes.targets.copy(), likes.creators.copy()
        number = self._in_mind[likes.actors[gone]]
        first, count = self._at[number], self._at[number + 1] - self._at[number]
        targets[gone] = self._things[first + (rng.random(len(gone)) * count).astype(np.int64)]
        creators[gone] = self._creators[number]
        return targets, creators

    def count(self, actors: I64, creators: I64, surfaces: npt.NDArray[np.int64], probability: F64) -> None:
        """Likes that were given: their creators before any was moved, and how probably they were. Shapes (n,)."""
        theirs = np.isin(surfaces, OWN) & (actors < len(self._movable))
        theirs[theirs] = self._movable[actors[theirs]] & (self._slates[actors[theirs]] > 0)
        number, moved = self._number[creators[theirs]], probability[theirs]
        np.add.at(self.usual, number, 1)
        np.add.at(self.moved, number, 1 - moved)
        in_mind = self._in_mind[actors[theirs]]
        np.add.at(self.moved, in_mind[moved > 0], moved[moved > 0])

    def expected(self) -> float:
        """Bits that what people look for by themselves has come apart from what the held out look for, so far."""
        return divergence(self.usual, self.moved)
