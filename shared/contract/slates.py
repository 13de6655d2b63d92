"""Messages of `exposures.v1` to columns: slates that fit become a row an item, the rest rejections with reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import ValidationError

from shared.contract.block import LONGEST_ID
from shared.contract.decode import BYTE_ORDER_MARK, FUTURE_TOLERANCE_MS, DoesNotFit, Message, Rejection, Tag, sentence
from shared.contract.times import epoch_ms
from shared.events import HIGHEST_RANK, LONGEST_SLATE_ID, SURFACES
from shared.exposures import ARMS, LONGEST_NAME, MOST_CANDIDATES, MOST_ITEMS, Exposure
from shared.frames import EXPOSED_ITEMS
from shared.hashing import hashes

# As large as the topic takes them.
MOST_BYTES: Final = 1 << 20

I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)] | int
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]
_ARM_CODES: Final = {name: code for code, name in enumerate(ARMS)}
_SURFACE_CODES: Final = {name: code for code, name in enumerate(SURFACES)}


class FastItem(msgspec.Struct, gc=False):
    """As `ShownItem`."""

    target_id: _Id
    rank: Annotated[int, msgspec.Meta(ge=0, le=HIGHEST_RANK)]
    propensity: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    creator_id: _Id | None = None
    content_origin: Literal["unknown", "human", "ai", "mixed"] = "unknown"
    content_language: Tag | None = None
    topic: _Name | None = None


_Items = Annotated[list[FastItem], msgspec.Meta(max_length=MOST_ITEMS)]


class FastExposure(msgspec.Struct, gc=False):
    """The same contract as `Exposure` for the hot path. It may refuse what `Exposure` accepts (then that decides),
    never accept what it refuses: tests/unit/shared/test_slates.py holds the two together.
    """

    slate_id: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_SLATE_ID)]
    occurred_at: str | int | float
    actor_id: _Id
    surface: Literal["unknown", "organic", "search", "recommended", "autoplay", "assistant"] = "unknown"
    policy_id: _Name = "unknown"
    arm: Literal["none", "treated", "holdout"] = "none"
    items: _Items = []
    withheld: _Items = []
    candidates: Annotated[int, msgspec.Meta(ge=1, le=MOST_CANDIDATES)] | None = None


Slate = FastExposure | Exposure


@dataclass(frozen=True)
class DecodedSlates:
    """Items of slates in message order (schema `frames.EXPOSED_ITEMS`); when each one's message was received (ms),
    shape (n,); the messages refused, and how many said nothing.
    """

    items: pa.RecordBatch
    received_at: I64
    rejections: tuple[Rejection, ...]
    ignored: int


class NotASlate(DoesNotFit):
    """Of a message of `exposures.v1`."""


_fast = msgspec.json.Decoder(FastExposure)


def parse(value: bytes, timestamp: int) -> Slate:
    """One slate with its time in ms. Raises NotASlate. `timestamp` (ms) is when the message was received: a slate
    cannot lie in its future.
    """
    if len(value) > MOST_BYTES:
        raise NotASlate(f"message: has {len(value)} bytes; at most {MOST_BYTES}")
    slate: Slate
    try:
        if b"\\" in value and b"\\u0000" in value:
            raise msgspec.ValidationError
        slate = _normal(_fast.decode(value))
    except (msgspec.DecodeError, ValueError, RecursionError):
        slate = of_event(_event(value))
    if slate.occurred_at > timestamp + FUTURE_TOLERANCE_MS:  # type: ignore[operator]
        raise NotASlate("occurred_at: lies more than 5 minutes after the message was sent")
    return slate


def _normal(slate: FastExposure) -> FastExposure:
    if not slate.items and not slate.withheld:
        raise ValueError
    slate.occurred_at = epoch_ms(slate.occurred_at)
    return slate


def _event(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value.removeprefix(BYTE_ORDER_MARK))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotASlate(f"message: not JSON: {error}") from None


def of_event(event: Any) -> Exposure:
    """One slate from plain values, as a row of a file has them. Raises NotASlate."""
    try:
        slate = Exposure.model_validate(event)
    except ValidationError as error:
        raise NotASlate(*(sentence(e) for e in error.errors(include_url=False, include_input=False))) from None
    try:
        slate.model_dump_json()
    except ValueError:  # a lone surrogate is JSON but no text
        raise NotASlate("message: holds text that is not valid Unicode") from None
    return slate


def decode(messages: Sequence[Message]) -> DecodedSlates:
    """Check and turn messages into one record batch."""
    slates: list[Slate] = []
    kept, rejections = [], []
    ignored = 0
    for message in messages:
        if message.value is None:  # a tombstone
            ignored += 1
            continue
        try:
            slates.append(parse(message.value, message.timestamp))
        except NotASlate as error:
            rejections.append(Rejection(message, error.errors))
            continue
        kept.append((message.partition, message.offset, message.timestamp))
    places = np.array(kept, np.int64).reshape(-1, 3)
    received_at = np.repeat(places[:, 2], [_size(slate) for slate in slates])
    return DecodedSlates(to_items(slates, places[:, :2]), received_at, tuple(rejections), ignored)


def _size(slate: Slate) -> int:
    return len(slate.items) + len(slate.withheld)


def to_items(slates: Sequence[Slate], places: I64 | None = None) -> pa.RecordBatch:
    """A row an item, in order, a slate's shown ones before those withheld (schema `frames.EXPOSED_ITEMS`). `places`:
    partition and offset of each slate's message, shape (n, 2); without it, its place among the slates.
    """
    if places is None:
        places = np.stack([np.zeros(len(slates), np.int64), np.arange(len(slates))], axis=1)
    counts = [_size(slate) for slate in slates]
    items = [item for slate in slates for item in (*slate.items, *slate.withheld)]
    withheld = [flag for s in slates for flag in (*[False] * len(s.items), *[True] * len(s.withheld))]
    of_slate: dict[str, Any] = {
        "slate": _hashes([s.slate_id for s in slates]),
        "occurred_at": [s.occurred_at for s in slates],
        "actor": _hashes([s.actor_id for s in slates]),
        "policy_id": [s.policy_id for s in slates],
        "surface": [_SURFACE_CODES[s.surface] for s in slates],
        "arm": [_ARM_CODES[s.arm] for s in slates],
        "candidates": [s.candidates or 0 for s in slates],
        "source_partition": places[:, 0].astype(np.int32),
        "source_offset": places[:, 1],
    }
    of_item: dict[str, Any] = {
        "target": _hashes([i.target_id for i in items]),
        "rank": [i.rank for i in items],
        "propensity": [i.propensity for i in items],
        "creator": _hashes([i.creator_id for i in items]),
        "withheld": withheld,
    }
    repeated = pa.array(np.repeat(np.arange(len(slates)), counts))
    columns = [
        pa.array(of_slate[f.name], f.type).take(repeated) if f.name in of_slate else pa.array(of_item[f.name], f.type)
        for f in EXPOSED_ITEMS
    ]
    return pa.RecordBatch.from_arrays(columns, schema=EXPOSED_ITEMS)


def _hashes(ids: list[Any]) -> Any:
    """Of ids, 0 where there is none. Shape (n,)."""
    return hashes(pa.array([str(i) if type(i) is int else i for i in ids], pa.string()))
