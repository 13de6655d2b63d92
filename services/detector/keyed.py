"""What brings likes together: their target, their origin, or the pair of their actor and their target's creator."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from services.detector.signals import SIGNALS
from shared import frames, schemas
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.reorder_buffer import ReorderBuffer
from shared.slots import SlotTable

DAY_MS: Final = 86_400_000
# Who has liked more than this within a day of a like is no stranger at it.
STRANGERS_LIKES: Final = 2


# A key that no signal asks for is not sent.
KEYS: Final = tuple(key for key in schemas.LIKE_KEYS if key == "target" or any(signal.key == key for signal in SIGNALS))
_CODES: Final = {key: schemas.LIKE_KEYS.index(key) for key in schemas.LIKE_KEYS}


def creator_pair(likes: pa.RecordBatch) -> U64:
    """The same key whichever of the two liked the other's work. Shape (n,)."""
    actor, creator = likes.column("actor").to_numpy(), likes.column("creator").to_numpy()
    return mix(np.minimum(actor, creator), np.maximum(actor, creator))


def by_key(likes: pa.RecordBatch) -> pa.RecordBatch:
    """Likes (no unlikes), once for each key that they have."""
    likes = likes.filter(pa.array(~likes.column("unlike").to_numpy(zero_copy_only=False)))
    found = []
    for key, column in (("target", None), ("origin", "origin"), ("creator_pair", "creator")):
        if key in KEYS:
            rows = likes if column is None else likes.filter(pa.array(likes.column(column).to_numpy() != 0))
            code = pa.array(np.full(rows.num_rows, _CODES[key], np.int8))
            found.append(rows.set_column(rows.schema.get_field_index("keyed_by"), schemas.KEYED_LIKES[0], code))
    return frames.join(found, schemas.KEYED_LIKES)


def key_hash(likes: pa.RecordBatch) -> U64:
    """What each like is brought together by. Shape (n,)."""
    by = likes.column("keyed_by").to_numpy()
    target, origin = likes.column("target").to_numpy(), likes.column("origin").to_numpy()
    return np.where(by == _CODES["target"], target, np.where(by == _CODES["origin"], origin, creator_pair(likes)))


def keyed_by(key: str, likes: pa.RecordBatch) -> pa.RecordBatch:
    """The rows of one key."""
    return likes.filter(pa.array(likes.column("keyed_by").to_numpy() == _CODES[key]))


class Strangers24h:
    """First likes of actors, until a day has shown whether the actor is a stranger: first seen less than a day before
    the like, and at most two likes up to a day after it.
    """

    def __init__(self, max_rows: int) -> None:
        self.max_rows = max_rows
        self._waiting = ReorderBuffer(schemas.KEYED_LIKES, ("occurred_at", "actor", "target"))

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
        columns = [settled if f.name == "settled" else rows.column(f.name) for f in schemas.KEYED_LIKES]
        return pa.RecordBatch.from_arrays(columns, schema=schemas.KEYED_LIKES)

    def forget(self, actors: U64) -> None:
        self._waiting.keep(lambda b: ~np.isin(b.column("actor").to_numpy(), actors))

    def snapshot(self) -> Arrays:
        return self._waiting.snapshot("strangers")

    def restore(self, arrays: Arrays) -> None:
        self._waiting.restore("strangers", arrays)
