"""The best partners of the actors of one pass, looked up at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from services.detector.signals.bars import PAIR
from services.detector.signals.lockstep import LEAST_LLR, PARTNERS, Lockstep
from services.detector.signals.signal import SCALES
from shared.hashing import U64, mix

# Two things that two liked within moments are an accident that many have.
LEAST_MET: Final = 3


@dataclass(frozen=True)
class Partner:
    """One of an actor's best partners at a scale: on how many places they met where `expected` would be chance."""

    peer: int
    met: int
    expected: float
    targets: tuple[int, ...]
    first_at: int
    last_at: int


class Partners:
    """Of each of `actors`, by scale, the best first. Arrays of shape (n, scales, PARTNERS): `peer`, `llr`, and
    `beyond`, whether the two belong together by the actor's bar (`bars`, (n, scales)) and have met often enough.
    """

    def __init__(self, lockstep: Lockstep, actors: U64) -> None:
        table, self._pairs = lockstep.actors, lockstep.pairs.repeated
        slots = table.find(actors)
        shape = (len(actors), len(SCALES), PARTNERS)
        peer = table["partner"][slots].reshape(shape)
        llr = np.where((slots >= 0)[:, None, None], table["llr"][slots].reshape(shape), 0)
        order = np.lexsort((peer, -llr), axis=2)
        self.peer, self.llr = np.take_along_axis(peer, order, 2), np.take_along_axis(llr, order, 2)
        self.bars = lockstep.bars.heights(table["stream_likes"][slots].astype(np.float64))[:, PAIR]
        keys = mix(np.repeat(actors, shape[1] * shape[2]), self.peer.ravel())
        self._pair = self._pairs.find(keys).reshape(shape)
        self._known = (self._pair >= 0) & (self.llr >= LEAST_LLR)
        met = self._pairs["met"][self._pair].max(axis=3)
        self._found: dict[tuple[int, int, bytes], list[Partner]] = {}
        self.beyond = self._known & (self.llr >= self.bars[:, :, None]) & (met >= LEAST_MET)

    def at(self, index: int, scale: int) -> list[Partner]:
        """The partners at a scale that are beyond the bar; where there are none, all that are remembered."""
        beyond = self._known[index, scale] & (self.llr[index, scale] >= self.bars[index, scale])
        return self._of(index, scale, beyond if beyond.any() else self._known[index, scale])

    def together(self, index: int, scale: int) -> list[Partner]:
        """The partners at a scale with whom the actor belongs together (`beyond`)."""
        return self._of(index, scale, self.beyond[index, scale])

    def _of(self, index: int, scale: int, which: npt.NDArray[np.bool_]) -> list[Partner]:
        key = index, scale, which.tobytes()
        if key not in self._found:
            self._found[key] = self._look_up(index, scale, which)
        return self._found[key]

    def _look_up(self, index: int, scale: int, which: npt.NDArray[np.bool_]) -> list[Partner]:
        t = self._pairs
        pairs = self._pair[index, scale][which]
        near = np.arange(t["places"].shape[1]) < t["place_count"][pairs][:, None]
        near &= t["scales"][pairs] <= scale
        return [
            Partner(peer, met, expected, tuple(targets[where].tolist()), first_at, last_at)
            for peer, met, expected, targets, where, first_at, last_at in zip(
                t["peer"][pairs].tolist(),
                t["met"][pairs, scale].tolist(),
                t["expected"][pairs, scale].tolist(),
                t["targets"][pairs],
                near,
                t["first_at"][pairs].tolist(),
                t["last_at"][pairs].tolist(),
                strict=True,
            )
        ]
