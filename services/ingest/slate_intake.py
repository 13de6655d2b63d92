"""The state of one partition of `exposures.v1` at ingest: which slates were seen, and how far event time is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from services.ingest.intake import NO_WATERMARK
from shared.checkpoints import Arrays
from shared.contract import slates
from shared.contract.confluent import Reader
from shared.contract.decode import Message, Rejection
from shared.exposures import highest_in_sample
from shared.slots import SlotTable


@dataclass(frozen=True)
class TakenSlates:
    """Items to pass on (schema `schemas.EXPOSED_ITEMS`), and the messages refused."""

    rows: pa.RecordBatch
    rejections: tuple[Rejection, ...]


class SlateIntake:
    """Turns messages into items of slates that count: valid, of an actor in the sample (the share `sample` of all, by
    the hash of the id), and of a slate seen for the first time within the last `remembered`.
    """

    def __init__(self, remembered: int, sample: float) -> None:
        names = ("received", "accepted", "rejected", "duplicates", "ignored", "sampled_out", "items")
        self.counters = {f"slates_{name}": 0 for name in names}
        self.latest_event_ms = NO_WATERMARK
        self._seen = SlotTable({}, max_rows=remembered)
        self._highest = np.uint64(highest_in_sample(sample))

    def take(self, messages: Sequence[Message], readers: Mapping[int, Reader] | None = None) -> TakenSlates:
        """Messages must come in log order."""
        decoded = slates.decode(messages, readers)
        self._count("received", len(messages))
        self._count("rejected", len(decoded.rejections))
        self._count("ignored", decoded.ignored)
        items = decoded.items
        if items.num_rows:
            # Nobody's slate is later than its receipt: a clock that runs ahead must not make everybody else late.
            times = np.minimum(items.column("occurred_at").to_numpy(), decoded.received_at)
            self.latest_event_ms = max(self.latest_event_ms, int(times.max()))
            items = items.filter(pa.array(self._counts(items)))
        self._count("items", items.num_rows)
        return TakenSlates(items, decoded.rejections)

    def _counts(self, items: pa.RecordBatch) -> slates.Bools:
        """By item, whether its slate is new, and of an actor in the sample."""
        offsets = items.column("source_offset").to_numpy()
        first = np.r_[True, offsets[1:] != offsets[:-1]]
        of_slate = np.cumsum(first) - 1
        slots, new = self._seen.insert(items.column("slate").to_numpy()[first])
        self._seen["touched"][slots[new]] = offsets[first][new]
        inside = items.column("actor").to_numpy()[first] <= self._highest
        self._count("duplicates", int((~new).sum()))
        self._count("sampled_out", int((new & ~inside).sum()))
        self._count("accepted", int((new & inside).sum()))
        found: slates.Bools = (new & inside)[of_slate]
        return found

    def _count(self, name: str, number: int) -> None:
        self.counters[f"slates_{name}"] += number

    def snapshot(self) -> Arrays:
        return {**self._seen.snapshot("seen"), "latest_event_ms": np.array([self.latest_event_ms])}

    def restore(self, arrays: Arrays) -> None:
        self._seen.restore("seen", arrays)
        self.latest_event_ms = int(arrays["latest_event_ms"][0])
