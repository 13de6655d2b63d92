"""Ids of the actors that liked in each window: stages count by hash, what they publish names people."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared import frames
from shared.checkpoints import Arrays, pack_blobs, unpack_blobs
from shared.hashing import U64

I64 = npt.NDArray[np.int64]


class ActorNames:
    """Bounded by the windows that are kept (`keep`)."""

    def __init__(self) -> None:
        # Each actor once, by hash; and what has come since, which is sorted in when somebody asks.
        self._sorted: dict[int, tuple[U64, pa.Array]] = {}
        self._added: dict[int, list[tuple[U64, pa.Array]]] = {}

    @property
    def windows(self) -> list[int]:
        """Starts of the windows with names."""
        return sorted(self._sorted.keys() | self._added.keys())

    def add(self, windows: I64, actors: U64, ids: pa.Array) -> None:
        """Remember the ids behind these hashes in these windows (starts, ms). Shapes (n,)."""
        for start in np.unique(windows).tolist():
            here = np.flatnonzero(windows == start)
            self._added.setdefault(start, []).append((actors[here], ids.take(pa.array(here))))

    def of(self, start: int, actors: U64) -> pa.Array:
        """Ids of actors that were added in the window. Shape (n,)."""
        hashes, ids = self._of_window(start)
        return ids.take(pa.array(np.searchsorted(hashes, actors)))

    def _of_window(self, start: int) -> tuple[U64, pa.Array]:
        added = self._added.pop(start, None)
        if added is not None:
            parts = [self._sorted[start], *added] if start in self._sorted else added
            hashes, first = np.unique(np.concatenate([h for h, _ in parts]), return_index=True)
            self._sorted[start] = hashes, pa.concat_arrays([ids for _, ids in parts]).take(pa.array(first))
        return self._sorted[start]

    def keep(self, windows: I64) -> None:
        """Forget every other window."""
        for start in set(self.windows) - set(np.unique(windows).tolist()):
            self._sorted.pop(start, None)
            self._added.pop(start, None)

    def snapshot(self) -> dict[str, npt.NDArray[Any]]:
        starts = self.windows
        batches = [
            pa.RecordBatch.from_arrays([pa.array(h), i], ["hash", "id"]) for h, i in map(self._of_window, starts)
        ]
        return {
            **pack_blobs("actor_names", [frames.encode(b) for b in batches]),
            "actor_names.window": np.array(starts, np.int64),
        }

    def restore(self, arrays: Arrays) -> None:
        blobs = unpack_blobs("actor_names", arrays)
        self._sorted, self._added = {}, {}
        for start, blob in zip(arrays["actor_names.window"].tolist(), blobs, strict=True):
            batch = frames.decode(blob)
            self._sorted[start] = batch.column(0).to_numpy(), batch.column(1)
