"""Sums by unit: an actor's likes hang together, so that an actor is one observation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from shared.hashing import U64

F64 = npt.NDArray[np.float64]

# The numbers of two columns: sum(amount) / sum(count).
Ratio = tuple[int, int]
# A sum that is no larger than this share of what was added up and taken off is the rounding of nothing.
ROUNDING: Final = 1e-13


@dataclass(frozen=True)
class UnitSums:
    """What k columns of units add up to; those of other units, in any order, are added with `+`. `rows`: how many there
    were of all units; `totals`: by column, shape (k,); `products`: of each two columns' values of a unit, shape (k, k).
    """

    units: int
    rows: int
    totals: F64
    products: F64

    @classmethod
    def of(cls, values: F64, rows: int) -> UnitSums:
        """Of each unit's own sums, shape (units, k)."""
        return cls(len(values), rows, values.sum(axis=0), values.T @ values)

    def __add__(self, other: UnitSums) -> UnitSums:
        return UnitSums(
            self.units + other.units,
            self.rows + other.rows,
            self.totals + other.totals,
            self.products + other.products,
        )

    def ratio(self, of: Ratio) -> float:
        return float(self.totals[of[0]] / self.totals[of[1]])

    def pull(self, of: Ratio) -> F64:
        """By which combination of its columns, shares of shape (k,), each unit pulls the ratio away. The pulls of all
        units add up to 0, so that the sum of their squares is the ratio's variance.
        """
        amount, count = of
        shares = np.zeros(len(self.totals))
        shares[amount] += 1 / self.totals[count]
        shares[count] -= self.ratio(of) / self.totals[count]
        return shares

    def product(self, first: F64, second: F64) -> float:
        """Over units, the sum of the product of two combinations of columns: shares of each column, shapes (k,)."""
        found = float(first @ self.products @ second)
        magnitude = float(abs(first) @ abs(self.products) @ abs(second))
        return 0.0 if abs(found) <= ROUNDING * magnitude else found

    def squares(self, shares: F64) -> float:
        """Over units, the sum of the squares of a combination of columns."""
        return max(self.product(shares, shares), 0.0)


class Units:
    """The actors of some rows, each once."""

    def __init__(self, actors: U64) -> None:
        found, self._of_row = np.unique(actors, return_inverse=True)
        self.count = len(found)

    def sums(self, *columns: npt.NDArray[Any]) -> UnitSums:
        """Of columns of one value a row, shapes (rows,)."""
        values = np.zeros((self.count, len(columns)))
        for k, column in enumerate(columns):
            values[:, k] = np.bincount(self._of_row, column.astype(np.float64), self.count)
        return UnitSums.of(values, len(self._of_row))
