"""What happens once: who liked a thing does not like it again."""

from __future__ import annotations

from typing import Final

import numpy as np

from services.simulator.likes import I64, Bools

# So many (person, thing) are remembered, the last of those that fall together. Four bytes each, that are taken as they
# fill.
REMEMBERED: Final = 1 << 24
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_SPREAD_TARGETS: Final = np.uint64(0xC2B2AE3D27D4EB4F)


class Once:
    def __init__(self) -> None:
        self._liked = np.zeros(REMEMBERED, np.uint32)

    def first(self, actors: I64, targets: I64, possible: Bools) -> Bools:
        """Which of these pairs come for the first time, where they are possible at all; remembers them. Shapes (n,)."""
        keys = actors.astype(np.uint64) * _SPREAD ^ targets.astype(np.uint64) * _SPREAD_TARGETS
        keys ^= keys >> np.uint64(29)
        places, marks = (keys % np.uint64(REMEMBERED)).astype(np.int64), (keys >> np.uint64(32)).astype(np.uint32)
        _, at = np.unique(keys, return_index=True)
        first = np.zeros(len(keys), np.bool_)
        first[at] = True
        fresh = first & (self._liked[places] != marks) & possible
        self._liked[places[fresh]] = marks[fresh]
        return fresh
