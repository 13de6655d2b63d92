"""Actors of whom something changed: their likes are to be judged again when event time passes on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shared.checkpoints import Arrays
from shared.hashing import U64

I64 = npt.NDArray[np.int64]


class DirtyActors:
    """Actors with the earliest time (ms) from which on something is new of them; 0: all that they did."""

    def __init__(self) -> None:
        self._actors: list[U64] = []
        self._since: list[I64] = []

    def add(self, actors: U64, since: I64 | None = None) -> None:
        """Shapes (n,); in any order, any number of times."""
        if len(actors):
            self._actors.append(actors)
            self._since.append(np.zeros(len(actors), np.int64) if since is None else since)

    def take(self) -> tuple[U64, I64]:
        """All of them, each once, in order; and begin anew."""
        if not self._actors:
            return np.zeros(0, np.uint64), np.zeros(0, np.int64)
        actors, at = np.unique(np.concatenate(self._actors), return_inverse=True)
        since = np.full(len(actors), np.iinfo(np.int64).max)
        np.minimum.at(since, at, np.concatenate(self._since))
        self._actors, self._since = [], []
        return actors, since

    def snapshot(self) -> Arrays:
        actors, since = self.take()
        self.add(actors, since)
        return {"dirty.actor": actors, "dirty.since": since}

    def restore(self, arrays: Arrays) -> None:
        self._actors, self._since = [], []
        self.add(arrays["dirty.actor"], arrays["dirty.since"])
