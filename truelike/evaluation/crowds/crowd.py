"""What an honest crowd is, and what may be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import Likes


class Lay(Protocol):
    def __call__(self, base: Background, rng: np.random.Generator, history: bool) -> Likes:
        """The crowd's likes, none `fake`, in any order; with `history` also what its members like besides."""
        ...


@dataclass(frozen=True)
class Crowd:
    """`suspects`: the greatest share of its members that may be suspect, None where nothing can be promised.
    `replaces`: it is the base itself, changed; everybody in it is a member, and there is no history to add.
    """

    lay: Lay
    suspects: float | None
    replaces: bool = False
