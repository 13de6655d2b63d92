"""Sums by unit: an actor's likes hang together, so that an actor is one observation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from services.choice.confidence import LEAST_UNITS
from shared.hashing import U64

F64 = npt.NDArray[np.float64]


class Units:
    """The actors of some rows, each once."""

    def __init__(self, actors: U64) -> None:
        found, self._of_row = np.unique(actors, return_inverse=True)
        self.count = len(found)

    @property
    def too_few(self) -> str | None:
        """Why nothing can be said of them; None where they are enough."""
        return None if self.count >= LEAST_UNITS else f"{self.count} people; it takes {LEAST_UNITS}"

    def sums(self, values: npt.NDArray[Any]) -> F64:
        """Of one value a row, shape (units,)."""
        found: F64 = np.bincount(self._of_row, values.astype(np.float64), self.count).astype(np.float64)
        return found
