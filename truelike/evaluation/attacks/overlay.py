"""What an attack is, and how hard one is laid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import Likes


@dataclass(frozen=True)
class Strength:
    """Factors on an attack's usual number of accounts, the time that it spreads over, and its likes of camouflage.
    A strong one has more accounts in less time and hides less: it does more, and is easier to see.
    """

    number: float
    spread: float
    camouflage: float

    def count(self, usual: int, least: int = 2) -> int:
        return max(least, round(usual * self.number))

    def time(self, usual: int) -> int:
        """ms"""
        return max(1, round(usual * self.spread))

    def hiding(self, usual: int) -> int:
        return round(usual * self.camouflage)


STRENGTHS: Final = {
    "weak": Strength(0.5, 2.0, 2.0),
    "usual": Strength(1.0, 1.0, 1.0),
    "strong": Strength(2.0, 0.5, 0.5),
}


class Attack(Protocol):
    """A module of this folder."""

    def lay(self, base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
        """The attack's likes, `fake` all of them, in any order; not the base's."""
        ...
