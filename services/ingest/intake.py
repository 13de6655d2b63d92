"""The state of one partition of `likes.v1` at ingest: which event ids were seen, and how far event time is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from services.ingest.decode import Decoded, Message, decode
from shared.checkpoints import Arrays
from shared.hashing import hash_strings
from shared.slots import SlotTable

NO_WATERMARK: Final = -1


class Intake:
    """Turns messages into likes that count: valid, and seen for the first time within the last `remembered`."""

    def __init__(self, remembered: int) -> None:
        self.counters = {"received": 0, "accepted": 0, "rejected": 0, "duplicates": 0}
        self.latest_event_ms = NO_WATERMARK
        self._seen = SlotTable({}, max_rows=remembered)

    def take(self, messages: Sequence[Message]) -> Decoded:
        """The likes to pass on, and the rejections. Messages must come in log order."""
        decoded = decode(messages)
        likes = decoded.likes
        fresh = self._first_seen(likes)
        if len(fresh) < likes.num_rows:
            likes = likes.take(pa.array(fresh))
        self.counters["received"] += len(messages)
        self.counters["rejected"] += len(decoded.rejections)
        self.counters["accepted"] += likes.num_rows
        self.counters["duplicates"] += decoded.likes.num_rows - likes.num_rows
        if likes.num_rows:
            times = likes.column("occurred_at").to_numpy()
            self.latest_event_ms = max(self.latest_event_ms, int(times.max()))
        return Decoded(likes, decoded.rejections)

    def _first_seen(self, likes: pa.RecordBatch) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        if likes.num_rows == 0:
            return np.zeros(0, np.int64)
        # One row at a time would forget at another moment than a batch does; offsets decide who is oldest.
        slots, new = self._seen.insert(hash_strings(likes.column("event_id")))
        offsets = likes.column("source_offset").to_numpy()
        self._seen["touched"][slots[new]] = offsets[new]
        return np.flatnonzero(new)

    def snapshot(self) -> Arrays:
        return {**self._seen.snapshot("seen"), "latest_event_ms": np.array([self.latest_event_ms])}

    def restore(self, arrays: Arrays) -> None:
        self._seen.restore("seen", arrays)
        self.latest_event_ms = int(arrays["latest_event_ms"][0])
