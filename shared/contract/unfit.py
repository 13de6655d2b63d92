"""Messages that are read together where they fit, and who is set apart where they do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Part = TypeVar("Part")


class Unfit(Exception):
    """Not to be read together. `rows`: which of them are to blame, shape (n,); None where that is not known."""

    def __init__(self, rows: Bools | None = None) -> None:
        super().__init__()
        self.rows = rows


def in_parts(
    at: I64, least: int, together: Callable[[I64], tuple[Part, I64]], singly: Callable[[I64], Part]
) -> list[Part]:
    """All of `at`, in parts that are read together or singly: fewer than `least`, and what fits nowhere. `together`
    gives what it read, and whom it left; or it raises Unfit. One odd message costs its neighbours another reading at
    most, not their being read singly.
    """
    if len(at) < least:
        return [singly(at)]
    try:
        part, left = together(at)
    except Unfit as unfit:
        apart = unfit.rows
    else:
        return [part, *in_parts(left, least, together, singly)] if len(left) else [part]
    if apart is None and len(at) >= 2 * least:
        apart = np.arange(len(at)) >= len(at) // 2
    if apart is None or apart.all() or not apart.any():
        return [singly(at)]
    return [part for rows in (~apart, apart) for part in in_parts(at[rows], least, together, singly)]
