"""Messages of `exposures.v1` to columns: slates that fit become a row an item, the rest rejections with reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared.contract.block import LONGEST_ID
from shared.contract.confluent import Reader
from shared.contract.decode import Message, Rejection, Tag
from shared.contract.envelopes import CARRIERS, Ignored
from shared.contract.opening import NO_RECEIPT, DoesNotFit, event_of, fields_of, require_in_time, validated
from shared.contract.times import epoch_ms
from shared.events import HIGHEST_RANK, LONGEST_SLATE_ID, SURFACES
from shared.exposures import ARMS, LONGEST_NAME, MOST_CANDIDATES, MOST_ITEMS, Exposure
from shared.hashing import hashes
from shared.schemas import EXPOSED_ITEMS

# As large as the topic takes them.
MOST_BYTES: Final = 1 << 20

I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)] | int
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_NAME)]
NO_HEADERS: Final[Mapping[str, bytes]] = {}
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
    # As of FastLike: a flattened row of Debezium that is gone.
    deleted: None = msgspec.field(name="__deleted", default=None)


Slate = FastExposure | Exposure


@dataclass(frozen=True)
class DecodedSlates:
    """Items of slates in message order (schema `schemas.EXPOSED_ITEMS`); when each one's message was received (ms),
    shape (n,); the messages refused, and how many said nothing.
    """

    items: pa.RecordBatch
    received_at: I64
    rejections: tuple[Rejection, ...]
    ignored: int


_fast = msgspec.json.Decoder(FastExposure)


def parse(
    value: bytes | None, headers: Mapping[str, bytes], timestamp: int, readers: Mapping[int, Reader] | None = None
) -> Slate:
    """One slate with its time in ms. Raises DoesNotFit, and Ignored where it says nothing. `timestamp` (ms) is when the
    message was received: a slate cannot lie in its future. `readers` are those of a schema registry, by id.
    """
    if value is None:
        raise Ignored("a tombstone: a message without a value")
    if len(value) > MOST_BYTES:
        raise DoesNotFit(f"message: has {len(value)} bytes; at most {MOST_BYTES}")
    try:
        if "ce_specversion" in headers or (b"\\" in value and b"\\u0000" in value):
            raise msgspec.ValidationError
        slate: Slate = _normal(_fast.decode(value))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return of_event(event_of(value, readers or {}), headers, timestamp)
    require_in_time(slate.occurred_at, timestamp)  # type: ignore[arg-type]
    return slate


def _normal(slate: FastExposure) -> FastExposure:
    if not slate.items and not slate.withheld:
        raise ValueError
    slate.occurred_at = epoch_ms(slate.occurred_at)
    return slate


def of_event(event: Any, headers: Mapping[str, bytes] = NO_HEADERS, timestamp: int = NO_RECEIPT) -> Exposure:
    """One slate from an event in whatever envelopes can hold one. Raises as `parse`."""
    fields = fields_of(event, headers, timestamp, CARRIERS)
    if isinstance(fields, dict) and fields.get("action") == "unlike":
        raise DoesNotFit("envelope: says that a slate is gone, and what was shown cannot be taken back")
    slate = validated(Exposure, fields)
    require_in_time(slate.occurred_at, timestamp)
    return slate


def decode(messages: Sequence[Message], readers: Mapping[int, Reader] | None = None) -> DecodedSlates:
    """Check and turn messages into one record batch."""
    slates: list[Slate] = []
    kept, rejections = [], []
    for message in messages:
        try:
            slate = parse(message.value, message.headers, message.timestamp, readers)
        except DoesNotFit as error:
            rejections.append(Rejection(message, error.errors))
            continue
        except Ignored:
            continue
        slates.append(slate)
        kept.append((message.partition, message.offset, message.timestamp))
    places = np.array(kept, np.int64).reshape(-1, 3)
    received_at = np.repeat(places[:, 2], [_size(slate) for slate in slates])
    ignored = len(messages) - len(slates) - len(rejections)
    return DecodedSlates(to_items(slates, places[:, :2]), received_at, tuple(rejections), ignored)


def _size(slate: Slate) -> int:
    return len(slate.items) + len(slate.withheld)


def to_items(slates: Sequence[Slate], places: I64 | None = None) -> pa.RecordBatch:
    """A row an item, in order, a slate's shown ones before those withheld (schema `schemas.EXPOSED_ITEMS`). `places`:
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
