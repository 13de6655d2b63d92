"""What the simulated platform's recommender puts before people, and which likes that causes.

Who is about to like something is shown slates until it is seen in one of them, at most LOOKS. The candidates are that
thing and others near it; the policy (`policies`) does not know which it is. A thing at rank k is looked at with the
probability THETA[k], so that what is liked of slates stands high. Of all things chance keeps a share back, from a
person for good. A like of what was kept back, or of what was not seen, is not given with the probability CAUSED_SHARE;
else it is given all the same, found by search. Slates end where the thing is seen, or would be were it not kept back:
so how often each candidate stands at each rank is what the policy says, over all slates (Wald's identity).

Who is held out is shown slates by chance alone; what the learner had chosen for them is withheld.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from services.simulator import policies
from services.simulator.arms import NAMED, WITHHELD, arms, chance
from services.simulator.crowds import CROWDS
from services.simulator.drift import Drift
from services.simulator.feeds import RECOMMENDED, SEARCH
from services.simulator.learner import RETRAINED_MS, Learner
from services.simulator.likes import F64, I64, UNKNOWN, Bools, Likes, joined
from services.simulator.once import Once
from services.simulator.policies import CANDIDATES, LEARNER, SIZE, UNIFORM
from services.simulator.settings import Planted
from services.simulator.slates import Slates, slates_in_order
from services.simulator.world import World
from shared.exposures import HOLDOUT, NO_ARM

# How probably a thing is looked at, by rank.
THETA: Final = (1.0 + np.arange(SIZE)) ** -0.7
CAUSED_SHARE: Final = 0.3
WITHHELD_SHARE: Final = 0.05
LOOKS: Final = 3
# Slates come at most so long before what is liked of them.
EARLIER_MS: Final = 60_000


@dataclass(frozen=True)
class Looks:
    """What came of slates before likes: of each like, the number of that in which it was seen, or would have been,
    UNKNOWN where it was in none; and the slates.
    """

    seen: I64
    slates: Slates


class Recommender:
    """Its dice are its own: the world is the same whether slates are made or not."""

    def __init__(self, world: World, planted: Planted) -> None:
        self._feeds, self._people = world.scene.feeds, world.scene.people
        self._seed, items = world.settings.seed, world.settings.items
        self._rng = np.random.default_rng((self._seed, SIZE))
        self._arms = arms(self._seed, self._people.count, planted.treated, planted.holdout)
        self._learner = Learner(self._people.taste, world.settings.tastes, items)
        self.drift = Drift(
            np.random.default_rng((self._seed, SIZE, 1)), world.scene, self._arms != HOLDOUT, planted.drift
        )
        self._once = Once()
        self._last_ms = np.zeros(self._people.count, np.int64)
        self._named = planted.named
        self._trained = self._made = 0
        self._given: list[Likes] = []

    def show(self, likes: Likes) -> tuple[Likes, Slates]:
        """Slates before these likes, which come in order of time; and the likes that are given."""
        # No slate knows of likes that come after it.
        trained = (likes.times_ms - EARLIER_MS) // RETRAINED_MS
        ends = [*(np.flatnonzero(np.diff(trained)) + 1).tolist(), len(likes)]
        given, slates, start = [], [], 0
        for end in ends if len(likes) else ():
            self._train(int(trained[start]))
            found, shown = self._show(likes.take(slice(start, end)))
            given.append(found)
            slates.append(shown)
            start = end
        return joined(given), slates_in_order(slates)

    def _train(self, until: int) -> None:
        """With likes from before so many times RETRAINED_MS."""
        if until == self._trained:
            return
        given = joined(self._given)
        late = int(np.searchsorted(given.times_ms, until * RETRAINED_MS))
        now, self._given = given.take(slice(0, late)), [given.take(slice(late, None))]
        self._learner.train(now.actors, now.targets, (until - self._trained) * RETRAINED_MS)
        self._trained = until

    def _show(self, likes: Likes) -> tuple[Likes, Slates]:
        rng = self._rng
        usual, pull = likes, self.drift.pull(likes)
        likes = self.drift.move(usual, pull)
        theirs = likes.actors < self._people.count
        # What moved people like now they do not like again later; bots do as they do.
        fresh = self._once.first(likes.actors, likes.targets, theirs) | (likes.kinds >= len(CROWDS)) | ~theirs
        due = np.flatnonzero((likes.surfaces == RECOMMENDED) & theirs & fresh)
        came_from, slates = self._nudged(likes.take(due))
        nudged = came_from != UNKNOWN
        surfaces, named = likes.surfaces.copy(), likes.slates.copy()
        surfaces[due[~nudged]] = SEARCH
        says = chance(self._seed, NAMED, likes.actors[due], likes.targets[due]) < self._named
        named[due[says]] = came_from[says]
        given = fresh
        given[due[~nudged & (rng.random(len(due)) < CAUSED_SHARE)]] = False
        likes = replace(likes, surfaces=surfaces, slates=named)
        self.drift.shown(slates)
        self.drift.count(replace(usual, surfaces=surfaces), pull, given)
        self._given.append(likes.take(given & theirs))
        return likes.take(given), slates

    def _nudged(self, due: Likes) -> tuple[I64, Slates]:
        """Of each like the number of the slate that it came of, UNKNOWN where of none; and all slates before them."""
        held_out, within_ms = self._arms[due.actors] == HOLDOUT, self._within(due)
        rest, held = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        shown = self._look(due.take(rest), within_ms[rest], LEARNER, self._arms[due.actors[rest]])
        by_chance = self._look(due.take(held), within_ms[held], UNIFORM, np.full(len(held), NO_ARM, np.int8))
        instead = self._look(due.take(held), within_ms[held], LEARNER, self._arms[due.actors[held]]).slates
        instead = replace(instead, withheld=np.ones(instead.things.shape, np.bool_))
        seen = np.empty(len(due), np.int64)
        seen[rest], seen[held] = shown.seen, by_chance.seen
        slates = slates_in_order([shown.slates, by_chance.slates, instead])
        return np.where(self._kept_back(due.actors, due.targets), UNKNOWN, seen), slates

    def _within(self, due: Likes) -> I64:
        """How long before each like its slates begin at most, ms: nobody looks at them before the like before it."""
        order = np.argsort(due.actors, kind="stable")
        who, time = due.actors[order], due.times_ms[order]
        before = self._last_ms[who]
        again = np.flatnonzero(who[1:] == who[:-1])
        before[again + 1] = time[again]
        self._last_ms[who] = time
        found = np.empty(len(due), np.int64)
        found[order] = np.clip(time - before, 1, EARLIER_MS)
        return found

    def _kept_back(self, actors: I64, things: I64) -> Bools:
        return chance(self._seed, WITHHELD, actors, things) < WITHHELD_SHARE

    def _look(self, due: Likes, within_ms: I64, policy: int, in_arms: npt.NDArray[np.int8]) -> Looks:
        rng, n = self._rng, len(due)
        earlier = -np.sort(-rng.random((n, LOOKS)), axis=1)
        earlier_ms = 1 + (earlier * (within_ms[:, None] - 1)).astype(np.int64)
        seen, left, parts = np.full(n, UNKNOWN), np.arange(n), []
        for look in range(LOOKS):
            actors, targets = due.actors[left], due.targets[left]
            things, propensities = self._slate(actors, targets, policy)
            here = things == targets[:, None]
            numbers = self._made + np.arange(len(left))
            self._made += len(left)
            made = np.where(things < len(self._feeds.creators), things, 0)
            creators = np.where(here, due.creators[left][:, None], self._feeds.creators[made])
            parts.append(
                Slates(
                    numbers,
                    due.times_ms[left] - earlier_ms[left, look],
                    actors,
                    np.full(len(left), policy),
                    in_arms[left],
                    things,
                    creators,
                    propensities,
                    self._kept_back(np.broadcast_to(actors[:, None], things.shape), things),
                )
            )
            found = (here & (rng.random((len(left), 1)) < THETA)).any(axis=1)
            seen[left[found]] = numbers[found]
            left = left[~found]
        return Looks(seen, slates_in_order(parts))

    def _slate(self, actors: I64, targets: I64, policy: int) -> tuple[I64, F64]:
        """Things by rank, and their propensities. Shapes (n, SIZE)."""
        candidates = self._candidates(actors, targets)
        if policy == LEARNER:
            order, propensities = policies.learnt(self._rng, self._learner.scores(actors, candidates))
        else:
            order, propensities = policies.by_chance(self._rng, len(actors))
        return np.take_along_axis(candidates, order, axis=1), propensities

    def _candidates(self, actors: I64, targets: I64) -> I64:
        """Each one's target, and different things of the person's taste: around the target where it is of that taste.
        Shape (n, CANDIDATES).
        """
        rng, feeds, n = self._rng, self._feeds, len(actors)
        # A taste of few things is no choice: then it is of all.
        shelves = feeds.items_of if feeds.width >= 2 * CANDIDATES else feeds.items_of.reshape(1, -1)
        width = shelves.shape[1]
        shelf = self._people.taste[actors] if len(shelves) > 1 else np.zeros(n, np.int64)
        along = np.cumsum(rng.integers(1, width // CANDIDATES + 1, (n, CANDIDATES)), axis=1)
        rows, at = np.arange(n), rng.integers(0, CANDIDATES, n)
        place = np.where(targets // width == shelf, targets % width, rng.integers(0, width, n))
        place = (place[:, None] + along - along[rows, at][:, None]) % width
        found = shelves[shelf[:, None], place]
        found[rows, at] = targets
        return found
