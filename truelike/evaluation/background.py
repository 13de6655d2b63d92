"""What a stream of people's likes is like: whom and what it has, when it is awake, how its people like."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from truelike.evaluation.columns import DAY, HOUR, I64, MINUTE, Ids, Likes, joined, likes, names

# A detector needs to have seen what is usual: nothing is laid over the first part of a stream, by likes.
CALM_SHARE: Final = 0.2
# As much of somebody's likes as a member of a crowd gets for a life, and no less than this.
LONGEST_LIFE: Final = 60
SHORTEST_LIFE: Final = 4
# How often a target that an actor already has is drawn anew.
TRIES: Final = 8


class Background:
    """People's likes, in order of event time, and their habits."""

    def __init__(self, given: Likes) -> None:
        self.likes = given.take(np.argsort(given.occurred_at, kind="stable"))
        self.times = self.likes.occurred_at
        if not len(self.likes):
            raise ValueError("a stream without likes has no habits")

    @property
    def span(self) -> int:
        """From the first like to the last, ms."""
        return int(self.times[-1] - self.times[0])

    @cached_property
    def _targets(self) -> tuple[Ids, I64]:
        found, counts = np.unique(self.likes.target[~self.likes.unlike], return_counts=True)
        order = np.lexsort((found, -counts))
        return found[order], counts[order]

    @property
    def targets(self) -> Ids:
        """All targets, the most liked first."""
        return self._targets[0]

    @cached_property
    def creators(self) -> Ids:
        """Creators of `targets`, "" where none is known."""
        found, first = np.unique(self.likes.target, return_index=True)
        return self.likes.creator[first[np.searchsorted(found, self.targets)]]

    @cached_property
    def _people(self) -> tuple[Ids, npt.NDArray[np.intp], npt.NDArray[np.intp], I64]:
        """Ids; the likes' rows, person by person, in order of time; where each one's begin; how many they are."""
        found, of, counts = np.unique(self.likes.actor, return_inverse=True, return_counts=True)
        return found, np.argsort(of, kind="stable"), np.cumsum(counts) - counts, counts

    def with_origins(self, rng: np.random.Generator) -> Background:
        """The same where people have origins: households of one to three, as far as none is known."""
        people, rows, _, counts = self._people
        households = np.repeat(np.arange(len(people)), rng.integers(1, 4, len(people)))[: len(people)]
        of_person = names("household", len(people))[rng.permutation(households)]
        origin = np.empty(len(self.likes), of_person.dtype)
        origin[rows] = np.repeat(of_person, counts)
        return Background(replace(self.likes, origin=np.where(self.likes.origin == "", origin, self.likes.origin)))

    @property
    def people(self) -> Ids:
        return self._people[0]

    def likes_of(self, person: int) -> Likes:
        """One person's likes, in order of time, by the number of the person in `people`."""
        _, rows, starts, counts = self._people
        return self.likes.take(rows[starts[person] : starts[person] + counts[person]])

    def regulars(self, rng: np.random.Generator, count: int, least: int) -> I64:
        """Numbers of different people with at least `least` likes, fewer than `count` where there are no more."""
        fitting = np.flatnonzero(self._people[3] >= least)
        return rng.choice(fitting, min(count, len(fitting)), replace=False).astype(np.int64)

    def any_targets(self, rng: np.random.Generator, count: int) -> Ids:
        """Different targets by chance."""
        return rng.choice(self.targets, min(count, len(self.targets)), replace=False)

    def top_targets(self, rng: np.random.Generator, count: int) -> Ids:
        """Different ones of the most liked, twice as many to choose from as are wanted."""
        return rng.choice(self.targets[: 2 * count], min(count, len(self.targets)), replace=False)

    def liked_targets(self, rng: np.random.Generator, actors: Ids) -> Ids:
        """A target for each like of these actors, as people choose them: by how much they are liked. An actor gets
        the same one again only where it has nearly all.
        """
        counts = self._targets[1]
        chances = counts / counts.sum()
        of = np.unique(actors, return_inverse=True)[1]
        chosen = rng.choice(len(counts), len(actors), p=chances)
        for _ in range(TRIES):
            pairs = of * len(counts) + chosen
            again = np.ones(len(pairs), np.bool_)
            again[np.unique(pairs, return_index=True)[1]] = False
            if not again.any():
                break
            chosen[again] = rng.choice(len(counts), int(again.sum()), p=chances)
        return self.targets[chosen]

    def creators_of(self, targets: Ids) -> Ids:
        order = np.argsort(self.targets)
        return self.creators[order[np.searchsorted(self.targets, targets, sorter=order)]]

    def begin(self, rng: np.random.Generator, length: int) -> int:
        """A moment when people are awake, after which `length` ms of the stream are left where it is that long."""
        late = self.times[int(len(self.times) * CALM_SHARE) :]
        fitting = late[late + length <= self.times[-1]]
        if len(fitting):
            return int(rng.choice(fitting))
        return int(max(self.times[0], self.times[-1] - length))

    def moments(self, rng: np.random.Generator, count: int, first: int, last: int) -> I64:
        """Times between, as people's likes are spread; by chance where nobody likes."""
        low, high = np.searchsorted(self.times, [first, last])
        if high - low < 2:
            return rng.integers(first, max(last, first + 1), count)
        near = self.times[rng.integers(low, high, count)] + rng.integers(-5 * MINUTE, 5 * MINUTE, count)
        return np.clip(near, first, last)

    def camouflage(self, rng: np.random.Generator, actors: Ids, each: int, first: int, last: int) -> Likes:
        """`each` likes by every actor as people give them, between the two times; they are fakes' likes."""
        who = np.repeat(actors, each)
        return self.of(self.moments(rng, len(who), first, last), who, self.liked_targets(rng, who), fake=True)

    def of(self, times: Any, actors: Ids, targets: Ids, *, fake: bool = False) -> Likes:
        """Likes of existing targets, with their creators."""
        return likes(times, actors, targets, creator=self.creators_of(targets), fake=fake)

    def life(self, rng: np.random.Generator, actors: Ids, first: int, last: int) -> Likes:
        """What members of a crowd like before `first` and after `last`: each has the gaps of a person of the stream,
        broken at a random place, an hour to two days away from the crowd; and likes what people like.
        """
        donors = self.regulars(rng, len(self.people), SHORTEST_LIFE)
        if not len(donors):
            donors = np.arange(len(self.people))
        longest_away = max(2 * HOUR, min(2 * DAY, self.span // 6))
        times, who = [], []
        for actor, donor in zip(actors, rng.choice(donors, len(actors)), strict=True):
            own = self.likes_of(int(donor)).occurred_at
            begin = int(rng.integers(0, max(1, len(own) - LONGEST_LIFE + 1)))
            own = own[begin : begin + LONGEST_LIFE]
            cut = int(rng.integers(0, len(own) + 1))
            away = rng.integers(HOUR, longest_away, 2)
            before, after = own[:cut], own[cut:]
            if len(before):
                times.append(before + (first - away[0] - before[-1]))
            if len(after):
                times.append(after + (last + away[1] - after[0]))
            who.append(np.full(len(own), actor))
        lived, actors_of = np.concatenate(times), np.concatenate(who)
        # Nobody is seen before the stream begins, nor after it.
        seen = (lived >= self.times[0]) & (lived <= self.times[-1])
        lived, actors_of = lived[seen], actors_of[seen]
        return self.of(lived, actors_of, self.liked_targets(rng, actors_of))

    def with_life(self, rng: np.random.Generator, crowd: Likes, history: bool) -> Likes:
        """A crowd's likes, and its members' other ones if wanted."""
        if not history:
            return crowd
        first, last = int(crowd.occurred_at.min()), int(crowd.occurred_at.max())
        return joined(crowd, self.life(rng, np.unique(crowd.actor), first, last))
