"""What a partition keeps of buys: bounded, the oldest go. Of a buy for somebody nothing says who acted."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.choice.growing import GrowingColumns
from services.choice.log import NOBODY, Buys
from shared.checkpoints import Arrays
from shared.hashing import U64

_BUYS: Final = {
    "person": np.uint64,
    "target": np.uint64,
    "creator": np.uint64,
    "time": np.int64,
    "surface": np.int8,
    "declared": np.bool_,
    "signature": np.int8,
    "mandate": np.int8,
    "user_present": np.int8,
}


class RetainedBuys:
    """In log order."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.rows = GrowingColumns(_BUYS)

    def append(self, buys: Buys) -> None:
        self.rows.append(**{name: getattr(buys, name) for name in _BUYS})
        self.rows.keep_newest(self.most)

    def forget(self, people: U64) -> int:
        """Nothing says what these people bought, nor that they did. Returns how many buys there were."""
        theirs = np.flatnonzero(np.isin(self.rows["person"], people))
        for name in ("person", "target", "creator"):
            self.rows[name][theirs] = NOBODY
        return len(theirs)

    def snapshot(self) -> Arrays:
        return self.rows.snapshot("buys")

    def restore(self, arrays: Arrays) -> None:
        # A snapshot of before has none.
        if "buys.first" in arrays:
            self.rows.restore("buys", arrays)
