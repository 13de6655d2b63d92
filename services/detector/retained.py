"""Trusted likes as published, kept compressed so that a later verdict can correct their weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared import frames
from shared.checkpoints import Arrays, pack_blobs, unpack_blobs
from shared.hashing import U64, hash_strings, mix


@dataclass(frozen=True)
class _Kept:
    first_window: int
    last_window: int
    # mix(actor, window) of each row, so that only frames with a wanted row are decoded.
    keys: U64
    content: bytes

    @property
    def rows(self) -> int:
        return len(self.keys)


def _keep(batch: pa.RecordBatch, content: bytes) -> _Kept:
    windows = batch.column("window_start").to_numpy()
    keys = mix(hash_strings(batch.column("actor_id")), windows.astype(np.uint64))
    return _Kept(int(windows.min()), int(windows.max()), keys, content)


class RetainedLikes:
    """At most `max_likes` rows (schema `frames.TRUSTED_LIKES`, as first published), the newest."""

    def __init__(self, max_likes: int) -> None:
        self.max_likes = max_likes
        self.rows = 0
        self.evicted = 0
        self._kept: list[_Kept] = []

    def add(self, batch: pa.RecordBatch, content: bytes) -> None:
        self._kept.append(_keep(batch, content))
        self.rows += batch.num_rows
        while self.rows > self.max_likes and len(self._kept) > 1:
            oldest = self._kept.pop(0)
            self.rows -= oldest.rows
            self.evicted += oldest.rows

    def forget(self, before_ms: int) -> None:
        kept = [k for k in self._kept if k.last_window >= before_ms]
        self.rows -= sum(k.rows for k in self._kept) - sum(k.rows for k in kept)
        self._kept = kept

    def of(self, keys: U64, windows: npt.NDArray[np.int64]) -> pa.RecordBatch:
        """Rows whose mix(actor, window) is in `keys`; `windows` are the windows that `keys` lie in."""
        found = []
        for kept in self._kept:
            if ((windows >= kept.first_window) & (windows <= kept.last_window)).any():
                hit = np.isin(kept.keys, keys)
                if hit.any():
                    found.append(frames.decode(kept.content).filter(pa.array(hit)))
        return frames.join(found, frames.TRUSTED_LIKES)

    def snapshot(self) -> Arrays:
        return {
            **pack_blobs("retained", [k.content for k in self._kept]),
            "retained.evicted": np.array([self.evicted]),
        }

    def restore(self, arrays: Arrays) -> None:
        blobs = unpack_blobs("retained", arrays)
        self._kept = [_keep(frames.decode(blob), blob) for blob in blobs]
        self.rows = sum(k.rows for k in self._kept)
        self.evicted = int(arrays["retained.evicted"][0])
