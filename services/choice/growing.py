"""Columns that grow at their end and lose their oldest rows, in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from shared.checkpoints import Arrays

# Of what is full this much goes at once, so that what follows from it is gone through seldom.
GOES_AT_ONCE: Final = 1 / 8


class GrowingColumns:
    """Rows are numbered from the very first one on; `first` is the number of the oldest one that is kept. Columns are
    views, which hold until the next `append`.
    """

    LEAST_CAPACITY = 1024

    def __init__(self, dtypes: Mapping[str, npt.DTypeLike]) -> None:
        self.first = 0
        self._at, self._end = 0, 0
        self._columns = {name: np.zeros(self.LEAST_CAPACITY, dtype) for name, dtype in dtypes.items()}

    def __len__(self) -> int:
        return self._end - self._at

    @property
    def stop(self) -> int:
        """The number that the next row will have."""
        return self.first + len(self)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self._columns[name][self._at : self._end]

    def append(self, **columns: npt.NDArray[Any]) -> None:
        """All columns, of one length."""
        if columns.keys() != self._columns.keys():
            raise ValueError(f"columns {sorted(columns)}, not {sorted(self._columns)}")
        (count,) = {len(column) for column in columns.values()}
        self._make_room(count)
        for name, column in columns.items():
            self._columns[name][self._end : self._end + count] = column
        self._end += count

    def _make_room(self, incoming: int) -> None:
        capacity = len(next(iter(self._columns.values())))
        if self._end + incoming <= capacity:
            return
        while len(self) + incoming > capacity // 2:
            capacity *= 2
        for name, column in self._columns.items():
            grown = np.zeros(capacity, column.dtype)
            grown[: len(self)] = column[self._at : self._end]
            self._columns[name] = grown
        self._at, self._end = 0, len(self)

    def drop(self, count: int) -> None:
        """The oldest rows go."""
        self._at += count
        self.first += count

    def keep_newest(self, most: int) -> bool:
        """Where there are more than `most` rows the oldest go, GOES_AT_ONCE of these. Returns whether some did."""
        too_many = len(self) - most
        if too_many > 0:
            self.drop(max(too_many, round(most * GOES_AT_ONCE)))
        return too_many > 0

    def copied(self) -> dict[str, npt.NDArray[Any]]:
        """The columns as they are now, whatever comes."""
        return {name: self[name].copy() for name in self._columns}

    def snapshot(self, prefix: str) -> Arrays:
        columns = {f"{prefix}.{name}": column for name, column in self.copied().items()}
        return {**columns, f"{prefix}.first": np.array([self.first])}

    def restore(self, prefix: str, arrays: Arrays) -> None:
        self.first, self._at, self._end = int(arrays[f"{prefix}.first"][0]), 0, 0
        self.append(**{name: arrays[f"{prefix}.{name}"] for name in self._columns})
