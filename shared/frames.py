"""Frames: Arrow record batches that travel between stages, one a Kafka message (IPC stream, lz4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared.events import ACTIONS, ACTOR_KINDS, CONTENT_ORIGINS, MANDATES, SIGNATURES, SURFACES, USER_PRESENT
from shared.exposures import ARMS
from shared.labels import LABELS

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

LIKES: Final = pa.schema(
    [
        ("event_id", pa.string()),
        ("occurred_at", pa.int64()),
        ("actor_id", pa.string()),
        ("target_id", pa.string()),
        ("action", pa.int8()),
        ("creator_id", pa.string()),
        ("actor_kind", pa.int8()),
        ("actor_created_at", pa.int64()),
        ("content_origin", pa.int8()),
        ("surface", pa.int8()),
        ("rank", pa.int32()),
        ("propensity", pa.float64()),
        ("actor_locale", pa.string()),
        ("content_language", pa.string()),
        ("origin_hash", pa.string()),
        ("slate_id", pa.string()),
        ("topic", pa.string()),
        # Of a buy (docs/buy-it.md).
        ("principal_id", pa.string()),
        ("agent_key", pa.string()),
        ("signature", pa.int8()),
        ("mandate", pa.int8()),
        ("user_present", pa.int8()),
        # When the producer handed the like to Kafka: what latency is counted from.
        ("sent_at", pa.int64()),
        ("source_partition", pa.int32()),
        ("source_offset", pa.int64()),
    ]
)

# An item of a slate, shown or withheld; the first seven columns are the slate's. Ids are hashes (shared.hashing).
EXPOSED_ITEMS: Final = pa.schema(
    [
        ("slate", pa.uint64()),
        ("occurred_at", pa.int64()),
        ("actor", pa.uint64()),
        ("policy_id", pa.string()),
        ("surface", pa.int8()),
        ("arm", pa.int8()),
        # 0 where it is not known among how many.
        ("candidates", pa.int32()),
        ("target", pa.uint64()),
        ("rank", pa.int32()),
        # Null where it was not logged.
        ("propensity", pa.float64()),
        # 0 where it is not known.
        ("creator", pa.uint64()),
        ("withheld", pa.bool_()),
        # Of the slate's message: whoever reads these frames tells by it what comes again after a crash.
        ("source_partition", pa.int32()),
        ("source_offset", pa.int64()),
    ]
)

# What brings likes together at the stage behind: the same target, the same origin, or the pair of their actor and their
# target's creator.
LIKE_KEYS: Final = ("target", "origin", "creator_pair")

# Of these columns, where a like came from; the others are what it says.
PLACE: Final = ("sent_at", "source_partition", "source_offset")

# A like, once for each of its keys. Ids in these frames are hashes (shared.hashing): the names are with the likes in
# trusted-likes.v1.
KEYED_LIKES: Final = pa.schema(
    [
        ("keyed_by", pa.int8()),
        ("occurred_at", pa.int64()),
        ("actor", pa.uint64()),
        ("target", pa.uint64()),
        ("creator", pa.uint64()),
        ("origin", pa.uint64()),
        ("unlike", pa.bool_()),
        ("actor_created_at", pa.int64()),
        ("first_seen", pa.int64()),
        ("actor_likes", pa.int64()),
        *((f"recent_{scale}", pa.int32()) for scale in ("60s", "10m", "1h", "1d")),
        ("settled", pa.bool_()),
        # Who the actor is, for those who met it.
        ("actor_id", pa.string()),
    ]
)

JUDGED_LIKES: Final = pa.schema([*LIKES, ("window_start", pa.int64())])

# What a signal found (services.detector.signals.signal.Findings).
FINDINGS: Final = pa.schema(
    [
        ("signal", pa.string()),
        ("actor", pa.uint64()),
        ("target", pa.uint64()),
        ("strength", pa.float64()),
        ("convicts", pa.bool_()),
        ("value", pa.float64()),
        ("baseline", pa.float64()),
        ("first_at", pa.int64()),
        ("last_at", pa.int64()),
    ]
)

MEETINGS: Final = pa.schema(
    [
        # When they met (the later like), and when the actor's own like was.
        ("met_at", pa.int64()),
        ("occurred_at", pa.int64()),
        ("actor", pa.uint64()),
        ("peer", pa.uint64()),
        ("target", pa.uint64()),
        # What counts once however often it is met on: the target's creator, or the target where none is known.
        ("place", pa.uint64()),
        ("creator_known", pa.bool_()),
        # The least of the scales that the two likes are within, and how many meetings chance gives at each.
        ("scale", pa.int8()),
        *((f"expected_{scale}", pa.float32()) for scale in ("60s", "10m", "1h", "1d")),
        # Likes of the stream until then, decayed: what shares are reckoned from.
        ("stream_likes", pa.float32()),
        ("peer_id", pa.string()),
    ]
)

# An actor's part in a campaign, as it is now; a later one of the same actor replaces it.
LINKS: Final = pa.schema(
    [
        # Code of shared.messages.CampaignKind.
        ("kind", pa.int8()),
        ("scale_seconds", pa.int32()),
        ("actor", pa.uint64()),
        ("actor_id", pa.string()),
        # Whom it belongs together with: other actors (lockstep, ring), or what a crowd came to (crowd, a hash of
        # target and window) or the actor itself (flood). Nodes that are linked are one campaign. None: nothing links
        # the actor any more.
        ("nodes", pa.list_(pa.uint64())),
        ("target_ids", pa.list_(pa.string())),
        ("creator_ids", pa.list_(pa.string())),
        ("first_at", pa.int64()),
        ("last_at", pa.int64()),
        ("strength", pa.float32()),
        # Likes that the actor gave in it, and what they count for now, together.
        ("likes", pa.int64()),
        ("weight", pa.float64()),
        ("sentence", pa.string()),
    ]
)

TRUSTED_LIKES: Final = pa.schema(
    [
        *LIKES,
        ("window_start", pa.int64()),
        ("human_probability", pa.float32()),
        ("label", pa.int8()),
        ("revision", pa.int32()),
        # Null where the like comes for the first time; otherwise what it was published with before.
        ("previous_probability", pa.float32()),
        ("previous_label", pa.int8()),
    ]
)

# What the predictor had forecast of a trusted like before it came; corrections come without a forecast, and forecasts
# are missing where there was nothing to go by.
FORECASTS: Final = pa.schema(
    [
        ("event_id", pa.string()),
        ("occurred_at", pa.int64()),
        ("actor_id", pa.string()),
        ("target_id", pa.string()),
        ("creator_id", pa.string()),
        ("action", pa.int8()),
        ("surface", pa.int8()),
        ("sent_at", pa.int64()),
        # The probability that a person acted; 0 where the label is bot or agent.
        ("weight", pa.float32()),
        # The like came before, with another weight.
        ("correction", pa.bool_()),
        # Given that this user likes something now: by what all like, and by what this user liked. The latter is what
        # the predictor stated for the like's place, or, of what was in no place, its part of the rest.
        ("p_popular", pa.float32()),
        ("p_history", pa.float32()),
        # In the user's ranking of candidates, 1 the first, 0 where it was no candidate.
        ("place", pa.int32()),
        ("model", pa.string()),
        # Hashes of what the like names, 0 where it names none: the slate that it came from, and what it is about.
        ("slate", pa.uint64()),
        ("topic", pa.uint64()),
        # Of a buy, as the like has them: a buy's row is at its principal's partition, where it has one.
        ("actor_kind", pa.int8()),
        ("principal_id", pa.string()),
        ("agent_key", pa.string()),
        ("signature", pa.int8()),
        ("mandate", pa.int8()),
        ("user_present", pa.int8()),
        # As p_popular, were all that is known liked alike; how probable something was that nobody had liked before; and
        # whether it was that.
        ("p_any", pa.float32()),
        ("p_new", pa.float32()),
        ("is_new", pa.bool_()),
        # Of whose work the like is, and in which language (primary subtag), where that is known.
        ("content_origin", pa.int8()),
        ("language", pa.string()),
        # By twin forecasters, one of which learns likes and one of which does not, where they run.
        ("p_with", pa.float32()),
        ("p_without", pa.float32()),
    ]
)

# Whose choice a like was, in bits (docs/choice.md). A later row of an event replaces an earlier one.
CHOICES: Final = pa.schema(
    [
        ("event_id", pa.string()),
        ("occurred_at", pa.int64()),
        ("actor_id", pa.string()),
        ("target_id", pa.string()),
        # An unlike takes back its actor's earlier likes of its target, of which no row is repeated.
        ("action", pa.int8()),
        ("surface", pa.int8()),
        # 0 where it is none that a person gave.
        ("weight", pa.float32()),
        # Null where nothing was forecast of it: what it held, and what of it was foretold by the own past (H), by what
        # was put before (E; also with E first), and by neither (R).
        *((f"bits_{part}", pa.float32()) for part in ("popular", "history", "shown", "shown_first", "rest")),
        # Whether it was among the first places of the user's ranking, in a slate of the attribution window, and kept
        # back by chance within it.
        *((name, pa.bool_()) for name in ("anticipated", "shown", "withheld")),
        ("model", pa.string()),
    ]
)


# A request to forget users, in trusted-likes.v1: so that all readers see it at one place in the order of likes.
FORGET: Final = "forget"
FORGET_REQUESTS: Final = pa.schema(
    [("user_id", pa.string()), ("request_id", pa.string()), ("requested_at", pa.int64())]
)

# What the codes of enumerated columns stand for.
CODES: Final[dict[str, tuple[str, ...]]] = {
    "action": ACTIONS,
    "keyed_by": LIKE_KEYS,
    "actor_kind": ACTOR_KINDS,
    "content_origin": CONTENT_ORIGINS,
    "surface": SURFACES,
    "arm": ARMS,
    "signature": SIGNATURES,
    "mandate": MANDATES,
    "user_present": USER_PRESENT,
    "label": LABELS,
    "previous_label": LABELS,
}


# Schemas that got more columns, by the names that they had before: frames and snapshots of then are read as likes that
# say nothing of these.
_NEW_IN_LIKES: Final = ("slate_id", "topic", "principal_id", "agent_key", "signature", "mandate", "user_present")
_NEWEST_IN_FORECASTS: Final = ("p_any", "p_new", "is_new", "content_origin", "language", "p_with", "p_without")
_NEW_IN_FORECASTS: Final = ("slate", "topic", *_NEWEST_IN_FORECASTS)
_FORMER: Final = {
    tuple(name for name in schema.names if name not in new): schema
    for schema, new in (
        (LIKES, _NEW_IN_LIKES),
        (JUDGED_LIKES, _NEW_IN_LIKES),
        (TRUSTED_LIKES, _NEW_IN_LIKES),
        (FORECASTS, _NEWEST_IN_FORECASTS),
        (FORECASTS, _NEW_IN_FORECASTS),
        (FORECASTS, (*_NEW_IN_FORECASTS, "actor_kind", *_NEW_IN_LIKES[2:])),
    )
}
_FORMER_SIZES: Final = frozenset(map(len, _FORMER))


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
        return _as_now(reader.read_next_batch())


def decode_columns(value: bytes, names: Sequence[str]) -> pa.RecordBatch:
    """As `decode`, of these columns at least: the others are not decompressed where the frame is of today."""
    with pa.ipc.open_stream(value) as reader:
        there = reader.schema.names
    if len(there) in _FORMER_SIZES and tuple(there) in _FORMER:
        return decode(value)
    options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=sorted(there.index(name) for name in names))
    with pa.ipc.open_stream(value, options=options) as reader:
        return reader.read_next_batch()


def _as_now(batch: pa.RecordBatch) -> pa.RecordBatch:
    if batch.num_columns not in _FORMER_SIZES:
        return batch
    schema = _FORMER.get(tuple(batch.schema.names))
    if schema is None:
        return batch
    columns = [
        batch.column(field.name) if field.name in batch.schema.names else _unsaid(field, batch.num_rows)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _unsaid(field: pa.Field, rows: int) -> pa.Array:
    """Where no row says anything: nulls, an enumeration's first name, or the hash of nothing."""
    has_none = field.name in CODES or field.type == pa.uint64()
    return pa.array(np.zeros(rows), field.type) if has_none else pa.nulls(rows, field.type)


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
