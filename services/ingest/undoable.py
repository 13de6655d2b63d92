"""The likes of a partition that may be taken back by their event_id alone, for a bounded time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shared.checkpoints import Arrays, pack, unpack
from shared.events import UNLIKE
from shared.hashing import hash_strings, mix

# Who names a like by its id alone (ActivityPub, AT Protocol) has URIs for ids; other likes need no memory.
_URI: Final = "://"


class Undoable:
    """Targets of the likes among the last `span` messages whose event_id is a URI.

    How far back is counted in offsets, so that it follows from the log and not from how it was cut into batches.
    """

    def __init__(self, span: int) -> None:
        self._span = span
        self._keys: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._offsets: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self._targets: pa.Array = pa.array([], pa.string())

    def remember(self, likes: pa.RecordBatch) -> None:
        """Likes in log order; unlikes among them have no part in it."""
        kept = likes.filter(
            pc.and_(
                pc.match_substring(likes.column("event_id"), _URI),
                pc.and_(pc.not_equal(likes.column("action"), UNLIKE), pc.is_valid(likes.column("target_id"))),
            )
        )
        if kept.num_rows == 0:
            return
        offsets = kept.column("source_offset").to_numpy()
        # What the first of these messages could still take back must stay until all of them are through.
        oldest = likes.column("source_offset")[0].as_py() - self._span
        first = int(np.searchsorted(self._offsets, oldest))
        self._keys = np.concatenate([self._keys[first:], _keys(kept.column("actor_id"), kept.column("event_id"))])
        self._offsets = np.concatenate([self._offsets[first:], offsets])
        self._targets = pa.concat_arrays([self._targets[first:], kept.column("target_id")])

    def target(self, actor_id: str, event_id: str, offset: int) -> str | None:
        """What the actor's latest like of that id before `offset` was of, None where it is not remembered."""
        key = _keys(pa.array([actor_id]), pa.array([event_id]))[0]
        known = np.flatnonzero((self._keys == key) & (self._offsets < offset) & (self._offsets >= offset - self._span))
        return str(self._targets[int(known[-1])]) if len(known) else None

    def snapshot(self) -> Arrays:
        targets = pack(self._targets.to_pylist())
        return {"undoable.keys": self._keys, "undoable.offsets": self._offsets, "undoable.targets": targets}

    def restore(self, arrays: Arrays) -> None:
        if "undoable.keys" not in arrays:  # a snapshot of before
            return
        self._keys, self._offsets = arrays["undoable.keys"], arrays["undoable.offsets"]
        self._targets = pa.array(unpack(arrays["undoable.targets"]), pa.string())


def _keys(actors: Any, events: Any) -> npt.NDArray[np.uint64]:
    """Of actor and event together: nobody takes back another's like."""
    return mix(hash_strings(actors), hash_strings(events))
