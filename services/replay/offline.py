"""A file through ingest's own checks and framing, with no broker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from services.ingest.framing import FrameBuilder
from services.ingest.intake import Intake
from services.ingest.sources import Sources
from services.replay.files import read_events
from shared.contract.decode import NO_RECEIPT, Message, Rejection
from shared.contract.times import LATEST_MS
from shared.frames import Output, Progress
from shared.hashing import hash_strings

FRAME_ROWS = 4096


class OfflineIngest:
    """`likes.v1` of the given number of partitions in memory: the same intakes, the same frames."""

    def __init__(self, partitions: int, remembered: int = 1_000_000) -> None:
        self.partitions = partitions
        self.intakes = [Intake(remembered) for _ in range(partitions)]
        self.builder = FrameBuilder(partitions, FRAME_ROWS)
        self.sources = Sources(partitions, idle_seconds=1.0, speed=1.0)
        self.rejections: list[Rejection] = []
        self._offsets = [0] * partitions
        for p in range(partitions):
            self.sources.take(p, -1, 0.0)

    def frames(self, path: Path, mapping: Mapping[str, str] | None = None) -> Iterator[tuple[int, list[Output]]]:
        """(rows read, frames by actor) for each batch of the file; the last closes every window."""
        for events in read_events(path, mapping):
            yield (
                len(events),
                self.take([msgspec.json.encode(e) for e in events], [str(e.get("actor_id", "")) for e in events]),
            )
        yield 0, self.end()

    def take(self, values: list[bytes], keys: list[str]) -> list[Output]:
        """Messages with their keys, in order, to frames by actor."""
        owners = hash_strings(pa.array(keys, pa.string())) % self.partitions
        for partition, intake in enumerate(self.intakes):
            mine = np.flatnonzero(owners == partition)
            first = self._offsets[partition]
            messages = [Message(values[i], partition, first + n, NO_RECEIPT, {}) for n, i in enumerate(mine.tolist())]
            self._offsets[partition] += len(messages)
            taken = intake.take(messages)
            self.builder.add(taken.likes)
            self.rejections += taken.rejections
            self.sources.read(partition, intake.latest_event_ms, 0.0)
        return self.builder.close(self.sources.progress(0.0))

    def end(self) -> list[Output]:
        """Empty frames that say: there is nothing more, up to the end of time."""
        latest = dict.fromkeys(range(self.partitions), LATEST_MS)
        return self.builder.close(Progress(self.partitions, latest), always=True)

    def counters(self) -> dict[str, int]:
        return {name: sum(i.counters[name] for i in self.intakes) for name in self.intakes[0].counters}
