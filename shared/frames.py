"""Frames: Arrow record batches that travel between stages, one a Kafka message (IPC stream, lz4)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared.schemas import MEETINGS, as_now

# Below this a frame is mostly schema, and compressing each small buffer costs more than it saves.
COMPRESSED_ROWS: Final = 128

# A frame larger than this is split: brokers refuse large messages, and lz4 may gain nothing.
MOST_BYTES: Final = 1 << 20

# On the calling thread: a frame's columns are so small that to hand them to another takes several times longer than to
# pack them.
_READ: Final = pa.ipc.IpcReadOptions(use_threads=False)
PART_BITS: Final = 20
UNKNOWN_TIME: Final = -1
NO_CLOCK: Final = 0

Headers = list[tuple[str, bytes]]


class Lineage(msgspec.Struct, frozen=True):
    """Where an internal frame came from: the stage's partition and the input offset that it follows from.

    A stage is deterministic in its input, so a frame that arrives again with a place not beyond the last one from the
    same stage and partition is a repetition after a crash, and is ignored.
    """

    stage: str
    partition: int
    offset: int
    watermark: int
    # Which of several frames that follow from one input offset.
    part: int = 0

    @property
    def source(self) -> str:
        """What places are compared within."""
        return f"{self.stage}/{self.partition}"

    @property
    def place(self) -> int:
        """Grows along everything that comes from one source."""
        return self.offset << PART_BITS | self.part


class Progress(msgspec.Struct, frozen=True):
    """What ingest says of its sources: watermark by partition of `likes.v1`, how many there are, and when it said so by
    its clock, ms.
    """

    sources: int
    watermarks: dict[int, int]
    clock_ms: int = NO_CLOCK


@dataclass(frozen=True)
class Frame:
    """One message of an internal topic, decoded."""

    kind: str
    batch: pa.RecordBatch
    lineage: Lineage | None = None
    progress: Progress | None = None


@dataclass(frozen=True)
class Output:
    """A message that a stage wants sent. `partition` None leaves the choice to the key."""

    topic: str
    value: bytes
    partition: int | None = None
    key: bytes | None = None
    headers: Headers | None = None
    # Sent without its value: what the key names is gone.
    tombstone: bool = False


def join(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    """The rows of all batches as one, an empty one where there are none."""
    columns = pa.Table.from_batches(batches, schema).combine_chunks().to_batches()
    return columns[0] if columns else pa.RecordBatch.from_pylist([], schema)


def by_owner(batch: pa.RecordBatch, owner: npt.NDArray[Any], owners: int) -> list[pa.RecordBatch]:
    """The rows of each of `owners`, in order. `owner`: whose each row is, shape (n,)."""
    if len(owner) and (owner == owner[0]).all():
        # As where what is sent on stays in its partition.
        return [batch if of == owner[0] else batch.slice(0, 0) for of in range(owners)]
    rows = batch.take(pa.array(owner.argsort(kind="stable")))
    counts = np.bincount(owner.astype(np.int64), minlength=owners)
    return [rows.slice(int(end - count), int(count)) for end, count in zip(counts.cumsum(), counts, strict=True)]


def encode(batch: pa.RecordBatch) -> bytes:
    """IPC stream bytes of one record batch, lz4 where that is worth it: meetings are many, and hashes."""
    sink = pa.BufferOutputStream()
    worth = batch.num_rows >= COMPRESSED_ROWS and batch.schema is not MEETINGS and not batch.schema.equals(MEETINGS)
    options = pa.ipc.IpcWriteOptions(compression="lz4" if worth else None, use_threads=False)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def decode(value: bytes) -> pa.RecordBatch:
    """The record batch of `encode`, with all columns that its schema has now. Raises pyarrow.ArrowInvalid on anything
    else.
    """
    with pa.ipc.open_stream(value, options=_READ) as reader:
        return as_now(reader.read_next_batch())


def decode_columns(value: bytes, schema: pa.Schema, names: Sequence[str]) -> pa.RecordBatch:
    """As `decode`, of these columns of a schema at least: the others are not decompressed, unless a frame of before had
    these elsewhere.
    """
    places = sorted(map(schema.get_field_index, names))
    options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=places)
    # One of before had fewer columns.
    with suppress(pa.ArrowInvalid), pa.ipc.open_stream(value, options=options) as reader:
        if reader.schema.names == [schema.names[place] for place in places]:
            return reader.read_next_batch()
    return decode(value)


def to_headers(frame: Frame) -> Headers:
    headers: Headers = [("kind", frame.kind.encode())]
    if frame.lineage is not None:
        headers.append(("lineage", msgspec.json.encode(frame.lineage)))
    if frame.progress is not None:
        headers.append(("progress", msgspec.json.encode(frame.progress)))
    return headers


def split(batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The rows in order, cut so that no part is larger than MOST_BYTES unless it is one row."""
    # The whole buffers' size is quickly told, and at least as much as that of the rows, which is not.
    small = batch.get_total_buffer_size() <= MOST_BYTES or batch.nbytes <= MOST_BYTES
    if small or batch.num_rows < 2:
        return [batch]
    half = batch.num_rows // 2
    return [*split(batch.slice(0, half)), *split(batch.slice(half))]


def to_outputs(frame: Frame, topic: str, partition: int) -> list[Output]:
    """The frame as messages that a broker takes (`numbered` tells them apart). Only the last one says how far event
    time is: what a reader concludes from that follows from all of the frame.
    """
    *first, last = split(frame.batch)
    lineage = msgspec.structs.replace(frame.lineage, watermark=UNKNOWN_TIME) if frame.lineage is not None else None
    parts = [Frame(frame.kind, part, lineage) for part in first]
    return [to_output(part, topic, partition) for part in (*parts, replace(frame, batch=last))]


def numbered(outputs: Sequence[Output]) -> list[Output]:
    """All that follows from one input message, each frame with the number of its part: without it the second frame
    of one source and offset would pass for a repetition of the first.
    """
    counts: dict[tuple[str, int | None, str], int] = {}
    found = []
    for output in outputs:
        lineage = lineage_of(output.headers)
        if lineage is not None:
            of_source = (output.topic, output.partition, lineage.source)
            part = counts.get(of_source, 0)
            counts[of_source] = part + 1
            if part > 0:
                renamed = msgspec.json.encode(msgspec.structs.replace(lineage, part=part))
                headers = [(n, renamed if n == "lineage" else v) for n, v in output.headers or ()]
                output = replace(output, headers=headers)
        found.append(output)
    return found


def to_output(frame: Frame, topic: str, partition: int) -> Output:
    return Output(topic, encode(frame.batch), partition, headers=to_headers(frame))


def from_message(value: bytes, headers: Any) -> Frame:
    """A frame from a Kafka message's value and headers."""
    named = dict(headers or ())
    lineage, progress = named.get("lineage"), named.get("progress")
    return Frame(
        kind=named["kind"].decode(),
        batch=decode(value),
        lineage=msgspec.json.decode(lineage, type=Lineage) if lineage else None,
        progress=msgspec.json.decode(progress, type=Progress) if progress else None,
    )


def lineage_of(headers: Any) -> Lineage | None:
    """A message's lineage, without decoding the frame."""
    for name, value in headers or ():
        if name == "lineage":
            return msgspec.json.decode(value, type=Lineage)
    return None
