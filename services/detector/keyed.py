"""What brings likes together: their target, their origin, or the pair of their actor and their target's creator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa

from services.detector.reorder_buffer import ReorderBuffer
from services.detector.signals import SIGNALS
from shared import frames
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.slots import SlotTable

DAY_MS: Final = 86_400_000
# Who has liked more than this within a day of a like is no stranger at it.
STRANGERS_LIKES: Final = 2


def _target(likes: pa.RecordBatch) -> U64:
    return np.asarray(likes.column("target").to_numpy())


def _origin(likes: pa.RecordBatch) -> U64:
    return np.asarray(likes.column("origin").to_numpy())


def creator_pair(likes: pa.RecordBatch) -> U64:
    """The same key whichever of the two liked the other's work. Shape (n,)."""
    actor, creator = likes.column("actor").to_numpy(), likes.column("creator").to_numpy()
    return mix(np.minimum(actor, creator), np.maximum(actor, creator))


# Kinds of frames by target, and whom each like of them goes to. A kind that no signal is keyed by is not sent.
_ALL: Final[dict[str, Callable[[pa.RecordBatch], U64]]] = {
    "target-likes": _target,
    "origin-likes": _origin,
    "creator-pair-likes": creator_pair,
}
KEY_OF: Final = {"target-likes": "target", "origin-likes": "origin", "creator-pair-likes": "creator_pair"}
_ASKED: Final = {"target", *(signal.key for signal in SIGNALS)}
KINDS: Final = {kind: key for kind, key in _ALL.items() if KEY_OF[kind] in _ASKED}


def by_key(likes: pa.RecordBatch) -> dict[str, pa.RecordBatch]:
    """Likes (no unlikes) by the kind of frame that takes them."""
    likes = likes.filter(pa.array(~likes.column("unlike").to_numpy(zero_copy_only=False)))
    found = {}
    for kind, column in (("target-likes", None), ("origin-likes", "origin"), ("creator-pair-likes", "creator")):
        if kind in KINDS:
            found[kind] = likes if column is None else likes.filter(pa.array(likes.column(column).to_numpy() != 0))
    return found


class Strangers24h:
    """First likes of actors, until a day has shown whether the actor is a stranger: first seen less than a day before
    the like, and at most two likes up to a day after it.
    """

    def __init__(self, max_rows: int) -> None:
        self.max_rows = max_rows
        self._waiting = ReorderBuffer(frames.KEYED_LIKES, ("occurred_at", "actor", "target"))

    def watch(self, likes: pa.RecordBatch) -> None:
        """Take in counted likes."""
        first = likes.column("actor_likes").to_numpy() <= STRANGERS_LIKES
        first &= likes.column("occurred_at").to_numpy() - likes.column("first_seen").to_numpy() < DAY_MS
        first &= ~likes.column("unlike").to_numpy(zero_copy_only=False)
        if self._waiting.rows < self.max_rows:
            self._waiting.add(likes.filter(pa.array(first)))

    def settled(self, now: int, actors: SlotTable) -> pa.RecordBatch:
        """Likes that were strangers', a day after them, marked. `actors` has the time of each actor's third like."""
        due = self._waiting.take(now - DAY_MS)
        if due.num_rows == 0:
            return due
        slots = actors.find(due.column("actor").to_numpy())
        third = np.where(slots >= 0, actors["third_at"][slots], 0)
        strange = (third == 0) | (third > due.column("occurred_at").to_numpy() + DAY_MS)
        rows = due.filter(pa.array(strange))
        settled = pa.array(np.ones(rows.num_rows, np.bool_))
        columns = [settled if f.name == "settled" else rows.column(f.name) for f in frames.KEYED_LIKES]
        return pa.RecordBatch.from_arrays(columns, schema=frames.KEYED_LIKES)

    def forget(self, actors: U64) -> None:
        self._waiting.keep(lambda b: ~np.isin(b.column("actor").to_numpy(), actors))

    def snapshot(self) -> Arrays:
        return self._waiting.snapshot("strangers")

    def restore(self, arrays: Arrays) -> None:
        self._waiting.restore("strangers", arrays)
