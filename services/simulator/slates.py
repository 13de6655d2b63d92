"""What the simulated platform's recommender puts before people, and which likes that causes.

A slate is ten things in an order that chance chose: given the ten, each stands at each place with the same probability.
People look at places less the farther down they are (`theta`), so that what they like of a slate stands higher. Of all
things a share is kept back by chance. A like that would have come of something kept back is not given with the
probability CAUSED_SHARE; else it is given all the same, found by search. People also like by themselves what they are
shown, so of all likes of what is shown the share that is caused is less.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np

from services.simulator.events import names_of, targets_of
from services.simulator.feeds import RECOMMENDED, SEARCH
from services.simulator.likes import I64, Bools, Likes
from services.simulator.world import World
from shared.events import SURFACES

SIZE: Final = 10
POLICY: Final = "shuffled"
# How much a like tells of a place, of the first one 1.
THETA: Final = (1.0 + np.arange(SIZE)) ** -0.7
CAUSED_SHARE: Final = 0.3
WITHHELD: Final = 0.05
# Slates of which nothing is liked, for each of which something is.
UNLIKED: Final = 1.0
# A slate comes so long before what is liked of it, at least and at most, ms.
EARLIER_MS: Final = (2_000, 60_000)
_FARTHEST: Final = 25


@dataclass(frozen=True)
class Slates:
    """In order of time. Shapes (n,), and of things (n, SIZE), by rank; `withheld` of them were kept back."""

    times_ms: I64
    actors: I64
    things: I64
    creators: I64
    withheld: Bools

    def __len__(self) -> int:
        return len(self.times_ms)

    def take(self, which: Any) -> Slates:
        """Rows by index, mask or slice."""
        return Slates(*(getattr(self, f.name)[which] for f in fields(self)))

    def __add__(self, other: Slates) -> Slates:
        """These, then the others."""
        return Slates(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))


class Recommender:
    """Its dice are its own: the world's likes are the same whether slates are made or not."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = np.random.default_rng((world.settings.seed, SIZE))

    def show(self, likes: Likes) -> tuple[Likes, Slates]:
        """Slates that the likes among these of what was recommended came of, and others; the likes that remain."""
        rng, people = self._rng, self._world.scene.people
        nudged = np.flatnonzero((likes.surfaces == RECOMMENDED) & (likes.actors < people.count))
        n = len(nudged)
        unliked = rng.poisson(UNLIKED * n)
        around = nudged[rng.integers(0, n, unliked)] if n else nudged
        actors = np.concatenate([likes.actors[nudged], people.busy(rng, len(around))])
        things, creators = self._chosen(actors)
        rank = np.searchsorted(np.cumsum(THETA / THETA.sum()), rng.random(n)).clip(0, SIZE - 1)
        rows = np.arange(n)
        twice = things[:n] == likes.targets[nudged][:, None]
        things[:n][twice] = things[rows, rank][np.nonzero(twice)[0]]
        things[rows, rank], creators[rows, rank] = likes.targets[nudged], likes.creators[nudged]
        withheld = rng.random(things.shape) < WITHHELD
        earlier = rng.integers(*EARLIER_MS, len(actors))
        slates = Slates(likes.times_ms[np.r_[nudged, around]] - earlier, actors, things, creators, withheld)
        kept_back = withheld[rows, rank]
        never = nudged[kept_back & (rng.random(n) < CAUSED_SHARE)]
        surfaces = likes.surfaces.copy()
        surfaces[nudged[kept_back]] = SEARCH
        remain = replace(likes, surfaces=surfaces).take(np.setdiff1d(np.arange(len(likes)), never))
        return remain, slates.take(np.argsort(slates.times_ms, kind="stable"))

    def _chosen(self, actors: I64) -> tuple[I64, I64]:
        """Different things of each one's taste, in an order that chance chose, and their creators."""
        rng, feeds, people = self._rng, self._world.scene.feeds, self._world.scene.people
        # A taste of few things is no choice: then it is of all.
        narrow = feeds.width < 2 * SIZE
        shelves = feeds.items_of.reshape(1, -1) if narrow else feeds.items_of
        shelf = np.zeros(len(actors), np.int64) if narrow else people.taste[actors]
        width = shelves.shape[1]
        steps = np.cumsum(rng.integers(1, min(_FARTHEST, width // SIZE) + 1, (len(actors), SIZE)), axis=1)
        place = (rng.integers(0, width, (len(actors), 1)) + steps) % width
        things = rng.permuted(shelves[shelf[:, None], place], axis=1)
        return things, feeds.creators[things]


def slate_events(slates: Slates, first_number: int, seed: int) -> list[dict[str, Any]]:
    """As events of `exposures.v1`, in the same order; ids are numbered from `first_number` on."""
    names = names_of(slates.actors)
    targets = np.array(targets_of(slates.things.ravel()), object).reshape(-1, SIZE)
    creators = np.array(names_of(slates.creators.ravel()), object).reshape(-1, SIZE)
    found = []
    rows = zip(
        slates.times_ms.tolist(), names, targets.tolist(), creators.tolist(), slates.withheld.tolist(), strict=True
    )
    for number, (time, actor, things, makers, kept_back) in enumerate(rows, first_number):
        items = [
            {"target_id": thing, "rank": rank, "propensity": 1 / SIZE, "creator_id": maker}
            for rank, (thing, maker) in enumerate(zip(things, makers, strict=True))
        ]
        found.append(
            {
                "slate_id": f"{seed}-{number}",
                "occurred_at": time,
                "actor_id": actor,
                "surface": SURFACES[RECOMMENDED],
                "policy_id": POLICY,
                "candidates": SIZE,
                "items": [item for item, gone in zip(items, kept_back, strict=True) if not gone],
                "withheld": [item for item, gone in zip(items, kept_back, strict=True) if gone],
            }
        )
    return found
