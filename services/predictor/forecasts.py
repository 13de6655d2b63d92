"""What was forecast of a like before it came: how probable it was, given that this user likes something now.

By popularity: the item's share of the trusted likes of about the last month; but for the share of likes that went to
items which nobody had liked before, so far (Laplace's rule of succession): that much is spread over the whole catalogue
as known then. It is a distribution over the catalogue. By history: `Scored.surprise_bits`, see `prequential`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


class FirstLikes:
    """How many likes came so far, and how many of them were an item's first."""

    def __init__(self) -> None:
        self.likes = self.first = 0

    def observe(self, is_first: npt.NDArray[np.bool_]) -> F64:
        """The share of first likes as it stood before each like, of a batch in log order. Shape (n,)."""
        before = self.first + np.r_[0, np.cumsum(is_first)[:-1]]
        share: F64 = (before + 1.0) / (self.likes + np.arange(len(is_first)) + 2.0)
        self.likes += len(is_first)
        self.first += int(is_first.sum())
        return share


def by_popularity(share: F64, of_new: F64, choices: I64) -> F64:
    """Of the item's share of all likes, the share of likes that go to new items, and the catalogue's size. (n,)."""
    probability: F64 = (1 - of_new) * share + of_new / choices
    return probability
