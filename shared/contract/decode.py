"""Messages to columns: what fits the contract of a like becomes rows, the rest rejections with reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared import frames
from shared.contract import block
from shared.contract.confluent import Reader
from shared.contract.envelopes import Ignored
from shared.contract.opening import FUTURE_TOLERANCE_MS, DoesNotFit, event_of, fields_of, require_in_time, validated
from shared.contract.times import epoch_ms
from shared.events import (
    HIGHEST_RANK,
    LANGUAGE_TAG,
    LONGEST_AGENT_KEY,
    LONGEST_HASH,
    LONGEST_SLATE_ID,
    LONGEST_TAG,
    LONGEST_TOPIC,
    Like,
)

# Fewer messages are faster one by one.
LEAST_BLOCK: Final = 64
# A like with every field at its longest has about 6 kB.
MOST_BYTES: Final = 256 * 1024
# How the reason begins where an unlike names a like that nobody remembers: rejected, but no fault of the event's.
UNKNOWN_LIKE: Final = "undoes: no like "

L = TypeVar("L", bound="FastLike | Like")

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=block.LONGEST_ID)] | int
Tag = Annotated[str, msgspec.Meta(max_length=LONGEST_TAG, pattern=rf"^{LANGUAGE_TAG}\Z")]


class FastLike(msgspec.Struct, gc=False, omit_defaults=True):
    """The same contract as `Like` for the hot path, 2.5 times as fast.

    It may refuse what `Like` accepts (then `Like` decides), never accept what `Like` refuses:
    tests/unit/shared/test_contract.py holds the two together. 128 characters are never more than 512 bytes.
    """

    event_id: _Id
    occurred_at: str | int | float
    actor_id: _Id
    target_id: _Id
    action: Literal["like", "unlike", "share", "buy"] = "like"
    undoes: None = None
    creator_id: _Id | None = None
    actor_kind: Literal["unknown", "human", "agent"] = "unknown"
    actor_created_at: str | int | float | None = None
    content_origin: Literal["unknown", "human", "ai", "mixed"] = "unknown"
    surface: Literal["unknown", "organic", "search", "recommended", "autoplay", "assistant"] = "unknown"
    rank: Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_RANK)] | None = None
    propensity: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    actor_locale: Tag | None = None
    content_language: Tag | None = None
    origin_hash: Annotated[str, msgspec.Meta(max_length=LONGEST_HASH)] | None = None
    slate_id: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_SLATE_ID)] | None = None
    topic: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_TOPIC)] | None = None
    principal_id: _Id | None = None
    agent_key: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_AGENT_KEY)] | None = None
    signature: Literal["none", "invalid", "valid"] = "none"
    mandate: Literal["none", "standing", "cart"] = "none"
    user_present: Literal["unknown", "yes", "no"] = "unknown"
    # Flattened rows of Debezium have all the fields of a like also when they say that it is gone.
    deleted: None = msgspec.field(name="__deleted", default=None)


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message as it came. `timestamp` is Kafka's, ms; `headers` by name. A struct, since each like comes in one."""

    value: bytes | None
    partition: int
    offset: int
    timestamp: int
    headers: dict[str, bytes]
    key: bytes | None = None


@dataclass(frozen=True)
class Rejection:
    """A message that does not fit, and why: `errors` are "field: reason"."""

    message: Message
    errors: tuple[str, ...]


@dataclass(frozen=True)
class Decoded:
    """Likes in message order (schema `frames.LIKES`), the messages refused, and how many were about something else.

    `undoes` has the event_id that an unlike takes back, by row, where the row's target_id is null: it is not named.
    """

    likes: pa.RecordBatch
    rejections: tuple[Rejection, ...]
    ignored: int = 0
    undoes: dict[int, str] = field(default_factory=dict)

    @property
    def rows(self) -> pa.RecordBatch:
        """The likes, as whoever takes in messages of any topic calls them."""
        return self.likes


_fast = msgspec.json.Decoder(FastLike)


def parse(
    value: bytes | None, headers: Mapping[str, bytes], timestamp: int, readers: Mapping[int, Reader] | None = None
) -> FastLike | Like:
    """One like with its times in ms. Raises DoesNotFit, and Ignored where it is about something else.

    `timestamp` (ms) is when the message was received: a like cannot lie in its future. `readers` are
    those of a schema registry, by id.
    """
    if value is None:
        raise Ignored("a tombstone: a message without a value")
    if len(value) > MOST_BYTES:
        raise DoesNotFit(f"message: has {len(value)} bytes; at most {MOST_BYTES}")
    try:
        if headers or (b"\\" in value and b"\\u0000" in value):
            raise msgspec.ValidationError
        like: FastLike | Like = _normal(_fast.decode(value))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return of_event(event_of(value, readers or {}), headers, timestamp)
    return _in_time(like, timestamp)


def of_values(event: Mapping[str, Any], timestamp: int) -> FastLike | Like:
    """One like from plain values by the contract's names, as a row of a file has them. Raises as `parse`."""
    try:
        like = _of_fields(event)
    except ValueError:
        return of_event(event, {}, timestamp)
    return _in_time(like, timestamp)


def of_event(event: Any, headers: Mapping[str, bytes], timestamp: int) -> FastLike | Like:
    """One like from an event in whatever envelopes. Raises as `parse`."""
    fields = fields_of(event, headers, timestamp)
    like: FastLike | Like
    try:
        like = _of_fields(fields)
    except ValueError:
        like = validated(Like, fields)
    return _in_time(like, timestamp)


def _of_fields(fields: Any) -> FastLike:
    """Raises ValueError for what `Like` has to look at."""
    fast = _normal(msgspec.convert(fields, FastLike))
    if b"\\u0000" in msgspec.json.encode(fast):  # which raises for what is no Unicode text
        raise ValueError
    return fast


def _normal(like: FastLike) -> FastLike:
    """Its times in ms, its ids as text."""
    like.occurred_at = epoch_ms(like.occurred_at)
    if like.actor_created_at is not None:
        like.actor_created_at = epoch_ms(like.actor_created_at)
    # Written out, since every like comes by here.
    if type(like.event_id) is int:
        like.event_id = str(like.event_id)
    if type(like.actor_id) is int:
        like.actor_id = str(like.actor_id)
    if type(like.target_id) is int:
        like.target_id = str(like.target_id)
    if type(like.creator_id) is int:
        like.creator_id = str(like.creator_id)
    if type(like.principal_id) is int:
        like.principal_id = str(like.principal_id)
    return like


def _in_time(like: L, timestamp: int) -> L:
    require_in_time(like.occurred_at, timestamp)  # type: ignore[arg-type]
    return like


def to_message(like: FastLike | Like) -> bytes:
    """The like as a message of `likes.v1`: what differs from the defaults, times in ms."""
    if isinstance(like, FastLike):
        return msgspec.json.encode(like)
    return like.model_dump_json(exclude_defaults=True, exclude_none=True).encode()


_CODES: Final = {
    column: {name: code for code, name in enumerate(names)}
    for column, names in frames.CODES.items()
    if column in frames.LIKES.names
}
_GIVEN: Final = [column for column in frames.LIKES if column.name not in frames.PLACE]
_row = attrgetter(*(column.name for column in _GIVEN))


def decode(messages: Sequence[Message], readers: Mapping[int, Reader] | None = None) -> Decoded:
    """Check and turn messages into one record batch: as one block if they fit, else in halves, and few one by one."""
    if len(messages) < LEAST_BLOCK:
        return one_by_one(messages, readers)
    likes = _as_block(messages)
    if likes is not None:
        return Decoded(likes, ())
    if len(messages) < 2 * LEAST_BLOCK:
        return one_by_one(messages, readers)
    middle = len(messages) // 2
    first, second = decode(messages[:middle], readers), decode(messages[middle:], readers)
    return Decoded(
        frames.join([first.likes, second.likes], frames.LIKES),
        first.rejections + second.rejections,
        first.ignored + second.ignored,
        first.undoes | {first.likes.num_rows + row: event_id for row, event_id in second.undoes.items()},
    )


def _as_block(messages: Sequence[Message]) -> pa.RecordBatch | None:
    """All of these messages, None where they do not fit a block."""
    values = [message.value for message in messages if message.value and not message.headers]
    if len(values) < len(messages) or max(map(len, values)) > MOST_BYTES:
        return None
    places = np.array([(message.timestamp, message.partition, message.offset) for message in messages], np.int64)
    try:
        columns = block.read(values, places[:, 0] + FUTURE_TOLERANCE_MS)
    except block.Unfit:
        return None
    return _with_places(columns, places)


def _with_places(columns: list[pa.Array], places: npt.NDArray[np.int64]) -> pa.RecordBatch:
    """What likes say, with (time sent, partition, offset) of each, shape (n, 3)."""
    where = [pa.array(places[:, 0]), pa.array(places[:, 1].astype(np.int32)), pa.array(places[:, 2])]
    return pa.RecordBatch.from_arrays(columns + where, schema=frames.LIKES)


def one_by_one(messages: Sequence[Message], readers: Mapping[int, Reader] | None = None) -> Decoded:
    """`decode` of each message by itself."""
    likes: list[FastLike | Like] = []
    kept, rejections = [], []
    undoes: dict[int, str] = {}
    for message in messages:
        try:
            like = parse(message.value, message.headers, message.timestamp, readers)
        except DoesNotFit as error:
            rejections.append(Rejection(message, error.errors))
            continue
        except Ignored:
            continue
        if like.target_id is None and like.undoes is not None:
            undoes[len(likes)] = like.undoes
        likes.append(like)
        kept.append((message.timestamp, message.partition, message.offset))
    ignored = len(messages) - len(likes) - len(rejections)
    return Decoded(to_batch(likes, kept), tuple(rejections), ignored, undoes)


def to_batch(likes: Sequence[FastLike | Like], places: Sequence[tuple[int, int, int]]) -> pa.RecordBatch:
    """Likes as columns (schema `frames.LIKES`), with (time sent, partition, offset) of each."""
    # Row-wise into tuples, then turned over: a third of the time of one attribute after the other.
    by_column = zip(*map(_row, likes), strict=True) if likes else ((),) * len(_GIVEN)
    columns = []
    for column, values in zip(_GIVEN, by_column, strict=True):
        codes = _CODES.get(column.name)
        columns.append(pa.array(values, column.type) if codes is None else _coded(values, codes))
    return _with_places(columns, np.array(places, np.int64).reshape(-1, 3))


def _coded(names: tuple[str, ...], codes: dict[str, int]) -> pa.Array:
    """Shape (n,). Most columns say the same of all likes."""
    if names and names.count(names[0]) == len(names):
        return pa.array(np.full(len(names), codes[names[0]], np.int8))
    return pa.array([codes[name] for name in names], pa.int8())


def to_messages(likes: pa.RecordBatch) -> list[bytes]:
    """Rows of `frames.LIKES` as messages of `likes.v1`: the same likes when they are decoded."""
    messages = []
    for row in likes.drop_columns(list(frames.PLACE)).to_pylist():
        event = {name: value for name, value in row.items() if value is not None}
        for column in _CODES:
            code = event.pop(column)
            if code:
                event[column] = frames.CODES[column][code]
        messages.append(msgspec.json.encode(event))
    return messages
