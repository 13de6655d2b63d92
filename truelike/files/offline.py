"""A file through ingest's own checks and framing, with no broker."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.ingest.framing import FrameBuilder
from services.ingest.intake import Intake
from services.ingest.sources import Sources
from shared import schemas
from shared.contract.decode import Message, Rejection
from shared.contract.opening import NO_RECEIPT
from shared.contract.times import LATEST_MS
from shared.frames import Output, Progress
from shared.hashing import hash_strings
from truelike.files.parts import Refused
from truelike.files.result import Result
from truelike.files.spool import Sorted, Spool

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

    def frames(self, spool: Spool, result: Result) -> Iterator[tuple[int, list[Output]]]:
        """(rows taken, frames by actor) for each batch of the file; the last closes every window. What is refused or
        counted twice only now goes into `result`.
        """
        for batch in spool.batches():
            yield batch.likes.num_rows, self._admit(batch, result)
        counters = self.counters()
        result.accepted, result.duplicates = counters["accepted"], counters["duplicates"]
        yield 0, self.end()

    def _admit(self, batch: Sorted, result: Result) -> list[Output]:
        owners = hash_strings(batch.likes.column("actor_id")) % self.partitions
        for partition, intake in enumerate(self.intakes):
            mine = np.flatnonzero(owners == partition)
            likes = _placed(batch.likes.take(pa.array(mine)), partition, self._offsets[partition])
            self._offsets[partition] += len(mine)
            undoes = {n: batch.undoes[row] for n, row in enumerate(mine.tolist()) if row in batch.undoes}
            admitted, unknown = intake.admit(likes, undoes)
            result.reject(
                Refused(int(batch.rows[mine[n]]), (intake.not_undoable(undoes[n]),), {"undoes": undoes[n]})
                for n in unknown
            )
            self.builder.add(admitted)
            self.sources.read(partition, intake.latest_event_ms, 0.0)
        return self.builder.close(self.sources.progress(0.0))

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


def _placed(likes: pa.RecordBatch, partition: int, first: int) -> pa.RecordBatch:
    """With the place that a broker would have given them."""
    offsets: npt.NDArray[np.int64] = np.arange(first, first + likes.num_rows)
    place = {
        "source_partition": pa.array(np.full(likes.num_rows, partition, np.int32)),
        "source_offset": pa.array(offsets),
    }
    columns = [place.get(field.name, likes.column(field.name)) for field in schemas.LIKES]
    return pa.RecordBatch.from_arrays(columns, schema=schemas.LIKES)
