"""The state of one partition of `likes.v1` at ingest: which events were seen, and how far event time is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.ingest.undoable import Undoable
from shared import schemas
from shared.checkpoints import Arrays
from shared.contract.confluent import Reader
from shared.contract.decode import UNKNOWN_LIKE, Decoded, Message, Rejection, decode
from shared.hashing import hash_strings
from shared.slots import SlotTable

NO_WATERMARK: Final = -1
# Spreads an action's code over a key; like (0) leaves it as it was.
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)


class Intake:
    """Turns messages into likes that count: valid, and seen for the first time within the last `remembered`."""

    def __init__(self, remembered: int, undoable: int = 200_000) -> None:
        self.counters = {"received": 0, "accepted": 0, "rejected": 0, "duplicates": 0, "ignored": 0}
        self.latest_event_ms = NO_WATERMARK
        self._seen = SlotTable({}, max_rows=remembered)
        self._undoable_span = undoable
        self._undoable = Undoable(undoable)

    def take(self, messages: Sequence[Message], readers: Mapping[int, Reader] | None = None) -> Decoded:
        """The likes to pass on, and the rejections. Messages must come in log order."""
        decoded = decode(messages, readers)
        likes, unknown = self.admit(decoded.likes, decoded.undoes)
        self.counters["received"] += len(messages) - decoded.likes.num_rows
        self.counters["rejected"] += len(decoded.rejections)
        self.counters["ignored"] += decoded.ignored
        rejections = decoded.rejections
        if unknown:
            offsets = decoded.likes.column("source_offset")
            of = {m.offset: m for m in messages}
            rejections += tuple(
                Rejection(of[offsets[row].as_py()], (self.not_undoable(decoded.undoes[row]),)) for row in unknown
            )
        return Decoded(likes, rejections, decoded.ignored)

    def admit(self, likes: pa.RecordBatch, undoes: Mapping[int, str]) -> tuple[pa.RecordBatch, list[int]]:
        """The rows that count, in log order; and those that take back a like which is not known. `undoes` as in
        `Decoded`.
        """
        received = likes.num_rows
        self._undoable.remember(likes)
        likes, unknown = self._with_targets(likes, undoes)
        fresh = self._first_seen(likes)
        self.counters["received"] += received
        self.counters["rejected"] += len(unknown)
        self.counters["duplicates"] += likes.num_rows - len(fresh)
        self.counters["accepted"] += len(fresh)
        if len(fresh) < likes.num_rows:
            likes = likes.take(pa.array(fresh))
        if likes.num_rows:
            # A clock that runs ahead must not make everybody else late: nobody's like is later than its receipt.
            times = np.minimum(likes.column("occurred_at").to_numpy(), likes.column("sent_at").to_numpy())
            self.latest_event_ms = max(self.latest_event_ms, int(times.max()))
        return likes, unknown

    def not_undoable(self, event_id: str) -> str:
        return (
            f"{UNKNOWN_LIKE}{event_id!r} of this actor is among the last {self._undoable_span:,} messages of its "
            "partition; name its target_id"
        )

    def _with_targets(self, likes: pa.RecordBatch, undoes: Mapping[int, str]) -> tuple[pa.RecordBatch, list[int]]:
        if not undoes:
            return likes, []
        targets = likes.column("target_id").to_pylist()
        actors, offsets = likes.column("actor_id"), likes.column("source_offset")
        for row, event_id in undoes.items():
            targets[row] = self._undoable.target(actors[row].as_py(), event_id, offsets[row].as_py())
        unknown = [row for row in undoes if targets[row] is None]
        columns = [
            pa.array(targets, pa.string()) if f.name == "target_id" else likes.column(f.name) for f in schemas.LIKES
        ]
        found = pa.RecordBatch.from_arrays(columns, schema=schemas.LIKES)
        known = np.ones(likes.num_rows, np.bool_)
        known[unknown] = False
        return found.filter(pa.array(known)), unknown

    def _first_seen(self, likes: pa.RecordBatch) -> npt.NDArray[np.int64]:
        if likes.num_rows == 0:
            return np.zeros(0, np.int64)
        # A like and the unlike that takes it back may share their id.
        actions = likes.column("action").to_numpy().astype(np.uint64)
        keys = hash_strings(likes.column("event_id")) ^ (actions * _SPREAD)
        # One row at a time would forget at another moment than a batch does; offsets decide who is oldest.
        slots, new = self._seen.insert(np.maximum(keys, np.uint64(1)))
        offsets = likes.column("source_offset").to_numpy()
        self._seen["touched"][slots[new]] = offsets[new]
        return np.flatnonzero(new)

    def snapshot(self) -> Arrays:
        return {
            **self._seen.snapshot("seen"),
            **self._undoable.snapshot(),
            "latest_event_ms": np.array([self.latest_event_ms]),
        }

    def restore(self, arrays: Arrays) -> None:
        self._seen.restore("seen", arrays)
        self._undoable.restore(arrays)
        self.latest_event_ms = int(arrays["latest_event_ms"][0])
