"""Messages to columns: what fits the contract of a like becomes rows, the rest rejections with reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from shared import frames, schemas
from shared.contract import block
from shared.contract.confluent import Reader
from shared.contract.envelopes import Ignored
from shared.contract.like_rows import to_batch, with_places
from shared.contract.opening import FUTURE_TOLERANCE_MS, DoesNotFit, event_of, fields_of, require_in_time, validated
from shared.contract.times import epoch_ms
from shared.contract.unfit import I64, Unfit, in_parts
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
    """Likes in message order (schema `schemas.LIKES`), the messages refused, and how many were about something else.

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


@dataclass(frozen=True)
class _Part:
    """Some of the messages, by their places among all: those that are likes, `at`, shape (n,); those that are refused;
    the event_id that an unlike takes back.
    """

    at: I64
    likes: pa.RecordBatch
    rejections: list[tuple[int, Rejection]] = field(default_factory=list)
    ignored: int = 0
    undoes: dict[int, str] = field(default_factory=dict)


def decode(messages: Sequence[Message], readers: Mapping[int, Reader] | None = None) -> Decoded:
    """Check and turn messages into one record batch: as blocks as far as they fit, the others one by one."""
    return _joined(
        in_parts(
            np.arange(len(messages)),
            LEAST_BLOCK,
            lambda at: _as_block(messages, at),
            lambda at: _one_by_one(messages, at, readers),
        )
    )


def one_by_one(messages: Sequence[Message], readers: Mapping[int, Reader] | None = None) -> Decoded:
    """`decode` of each message by itself."""
    return _joined([_one_by_one(messages, np.arange(len(messages)), readers)])


def _joined(parts: list[_Part]) -> Decoded:
    """In the order of the messages."""
    at = np.concatenate([part.at for part in parts])
    likes = frames.join([part.likes for part in parts], schemas.LIKES)
    if len(parts) > 1:
        order = np.argsort(at)
        at, likes = at[order], likes.take(pa.array(order))
    undoes = {int(np.searchsorted(at, place)): event for part in parts for place, event in part.undoes.items()}
    rejections = sorted((r for part in parts for r in part.rejections), key=itemgetter(0))
    return Decoded(likes, tuple(r for _, r in rejections), sum(part.ignored for part in parts), undoes)


def _as_block(messages: Sequence[Message], at: I64) -> tuple[_Part, I64]:
    """Those that fit, and the places of the others. Raises Unfit."""
    chosen = messages if len(at) == len(messages) else [messages[place] for place in at.tolist()]
    values = [message.value for message in chosen if message.value and not message.headers]
    if len(values) < len(chosen):
        raise Unfit(np.array([not message.value or bool(message.headers) for message in chosen]))
    if max(map(len, values)) > MOST_BYTES:
        raise Unfit(np.array([len(value) > MOST_BYTES for value in values]))
    places = np.array([(message.timestamp, message.partition, message.offset) for message in chosen], np.int64)
    columns, fits = block.read(values, places[:, 0] + FUTURE_TOLERANCE_MS)
    return _Part(at[fits], with_places(columns, places[fits])), at[~fits]


def _one_by_one(messages: Sequence[Message], at: I64, readers: Mapping[int, Reader] | None) -> _Part:
    likes: list[FastLike | Like] = []
    kept, places, rejections, undoes = [], [], [], {}
    for place in at.tolist():
        message = messages[place]
        try:
            like = parse(message.value, message.headers, message.timestamp, readers)
        except DoesNotFit as error:
            rejections.append((place, Rejection(message, error.errors)))
            continue
        except Ignored:
            continue
        if like.target_id is None and like.undoes is not None:
            undoes[place] = like.undoes
        likes.append(like)
        kept.append(place)
        places.append((message.timestamp, message.partition, message.offset))
    ignored = len(at) - len(likes) - len(rejections)
    return _Part(np.array(kept, np.int64), to_batch(likes, places), rejections, ignored, undoes)
