"""What a rival is given and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from truelike.evaluation.columns import I64, Bools, Likes


@dataclass(frozen=True)
class Edges:
    """Likes, no unlikes, in order of time, as numbers. Shapes (n,); times in ms."""

    actor: I64
    target: I64
    time: I64
    actors: int
    targets: int

    def __len__(self) -> int:
        return len(self.actor)

    @cached_property
    def by_target(self) -> npt.NDArray[np.intp]:
        """Rows by target, then time."""
        return np.lexsort((self.time, self.target))


@dataclass(frozen=True)
class Verdict:
    """By actor: how suspicious, the higher the more; and who is called a bot. None: the method draws no line, and is
    given the best that it could be given, the number of bots.
    """

    score: npt.NDArray[np.float64]
    called: Bools | None


class TooMany(Exception):
    """More pairs than fit the memory of a small machine."""


def edges_of(likes: Likes) -> Edges:
    """By the same numbers of actors as np.unique gives, unlikes' actors too."""
    names, actor = np.unique(likes.actor, return_inverse=True)
    targets, target = np.unique(likes.target, return_inverse=True)
    rows = np.flatnonzero(~likes.unlike)
    rows = rows[np.argsort(likes.occurred_at[rows], kind="stable")]
    return Edges(actor[rows], target[rows], likes.occurred_at[rows], len(names), len(targets))
