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
    """Likes of people in an arm by themselves, from when it began, of a known `kind`: a hash of whatever they are told
    apart by. Shapes (n,), in any order.
    """

    actor: U64
    treated: Bools
    kind: U64
    weight: F64

    def in_order(self) -> Own:
        """The same whatever the rows were merged from."""
        return self.take(np.lexsort((self.weight, self.kind, self.actor)))


@dataclass(frozen=True)
class Parted:
    """By a policy's experiment and what likes are told apart by: how many people, how many of them in both arms, what
    they liked, and how many likes more, of which that is not known.
    """

    people: int
    in_both: int
    unknown: int
    own: Own

    @classmethod
    def of(cls, shown: Shown, likes: Likes, kind: U64) -> Parted:
        """Of what was shown or withheld in the experiment, and people's likes by themselves, all in order of time.
        `kind`: of each like, NOBODY where it is not known, shape (n,).
        """
        people, first, of_row = np.unique(shown.actor, return_index=True, return_inverse=True)
        begins, treated = shown.time[first], shown.arm[first] == TREATED
        in_both = len(np.unique(of_row[(shown.arm == TREATED) != treated[of_row]]))
        at = np.flatnonzero(np.isin(likes.actor, people))
        place = np.searchsorted(people, likes.actor[at])
        after = likes.time[at] >= begins[place]
        at, place = at[after], place[after]
        known = kind[at] != NOBODY
        unknown = int((~known).sum())
        at, place = at[known], place[known]
        return cls(len(people), in_both, unknown, Own(likes.actor[at], treated[place], kind[at], likes.weight[at]))

    def __add__(self, other: Parted) -> Parted:
        return Parted(
            self.people + other.people,
            self.in_both + other.in_both,
            self.unknown + other.unknown,
            self.own + other.own,
        )
