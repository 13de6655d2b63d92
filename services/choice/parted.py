"""People whom an experiment parted in two arms, and what each arm came to like by itself: rows, since people are
resampled with all that is theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.choice.log import F64, NOBODY, Bools, Likes, Rows, Shown
from shared.exposures import TREATED
from shared.hashing import U64


@dataclass(frozen=True)
class Own(Rows):
    """Likes of people in an arm by themselves, from when it began, of known creators. Shapes (n,), in any order."""

    actor: U64
    treated: Bools
    creator: U64
    weight: F64

    def in_order(self) -> Own:
        """The same whatever the rows were merged from."""
        return self.take(np.lexsort((self.weight, self.creator, self.actor)))


@dataclass(frozen=True)
class Parted:
    """By a policy's experiment: how many people, how many of them in both arms, what they liked, and how many likes
    more of creators who are not known.
    """

    people: int
    in_both: int
    unknown: int
    own: Own

    @classmethod
    def of(cls, shown: Shown, likes: Likes) -> Parted:
        """Of what was shown or withheld in the experiment, and people's likes by themselves, all in order of time."""
        people, first, of_row = np.unique(shown.actor, return_index=True, return_inverse=True)
        begins, treated = shown.time[first], shown.arm[first] == TREATED
        in_both = len(np.unique(of_row[(shown.arm == TREATED) != treated[of_row]]))
        likes = likes.take(np.isin(likes.actor, people))
        place = np.searchsorted(people, likes.actor)
        after = likes.time >= begins[place]
        likes, place = likes.take(after), place[after]
        known = likes.creator != NOBODY
        unknown = int((~known).sum())
        likes, place = likes.take(known), place[known]
        return cls(len(people), in_both, unknown, Own(likes.actor, treated[place], likes.creator, likes.weight))

    def __add__(self, other: Parted) -> Parted:
        return Parted(
            self.people + other.people,
            self.in_both + other.in_both,
            self.unknown + other.unknown,
            self.own + other.own,
        )
