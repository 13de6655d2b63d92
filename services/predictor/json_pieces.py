"""JSON made of pieces, each encoded once and joined in compiled code: formatting rankings one by one would cost more
than making them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from numba import njit

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]


class Pieces:
    """Ids as JSON strings, one after the other in `data`; the one of number n is `data[ends[n]:ends[n + 1]]`."""

    def __init__(self) -> None:
        self.data: U8 = np.zeros(1024, np.uint8)
        self.ends: I64 = np.zeros(1024, np.int64)
        self.count = 0

    def extend(self, ids: list[str]) -> None:
        """Take in the ids that are new since the last call."""
        new = [msgspec.json.encode(identifier) for identifier in ids[self.count :]]
        if not new:
            return
        start = int(self.ends[self.count])
        ends = np.cumsum([len(piece) for piece in new]) + start
        if len(ids) >= len(self.ends):
            self.ends = np.pad(self.ends, (0, len(ids)))
        if ends[-1] > len(self.data):
            self.data = np.pad(self.data, (0, int(ends[-1])))
        self.data[start : ends[-1]] = np.frombuffer(b"".join(new), np.uint8)
        self.ends[self.count + 1 : len(ids) + 1] = ends
        self.count = len(ids)

    def join(self, rows: I64, words: Sequence[bytes]) -> tuple[bytes, I64]:
        """The pieces of rows, shape (n, k), in a line: number n is an id's, -1 - n that of `words`. And where each
        row begins, with where the last one ends, shape (n + 1,).
        """
        word_ends = np.cumsum([0, *map(len, words)])
        out, ends = _join(rows, self.data, self.ends, np.frombuffer(b"".join(words), np.uint8), word_ends)
        return out.tobytes(), ends


@njit(cache=True)
def _join(rows: Any, data: Any, ends: Any, words: Any, word_ends: Any) -> Any:
    row_ends = np.zeros(len(rows) + 1, np.int64)
    at = 0
    for row in range(len(rows)):
        for number in rows[row]:
            at += ends[number + 1] - ends[number] if number >= 0 else word_ends[-number] - word_ends[-1 - number]
        row_ends[row + 1] = at
    out = np.empty(at, np.uint8)
    at = 0
    for row in range(len(rows)):
        for number in rows[row]:
            if number >= 0:
                for k in range(ends[number], ends[number + 1]):
                    out[at] = data[k]
                    at += 1
            else:
                for k in range(word_ends[-1 - number], word_ends[-number]):
                    out[at] = words[k]
                    at += 1
    return out, row_ends
