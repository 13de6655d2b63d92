"""Many messages read as one block of JSON: columns at once, no Python object a like.

Takes only what leaves no doubt: flat objects with the contract's own types. All of a block fits, or none of it: then
its messages go through `shared.contract.decode` one by one, which has the last word on what a like is
(tests/unit/shared/test_block.py holds the two together). A message can never change how its neighbours are read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json

from shared import frames
from shared.contract.times import EARLIEST_MS, LATEST_MS
from shared.events import (
    HIGHEST_RANK,
    LANGUAGE_TAG,
    LONGEST_AGENT_KEY,
    LONGEST_HASH,
    LONGEST_SLATE_ID,
    LONGEST_TAG,
    LONGEST_TOPIC,
)

# A name of the contract, and how it is read. The two last are for what is no plain like: they must stay empty.
_TIMES: Final = ("occurred_at", "actor_created_at")
_CODES: Final = {c: pa.array(names) for c, names in frames.CODES.items() if c in frames.LIKES.names}
_OTHERS: Final = ("undoes", "__deleted")
_REQUIRED: Final = ("event_id", "actor_id", "target_id", "occurred_at")
# Characters: never more bytes than an id may have.
LONGEST_ID: Final = 128
# A column costs something for each message that does not have it: these are read where one of a few messages has them,
# or where a message has what none of the few has.
_SELDOM: Final = frozenset(("slate_id", "topic", "principal_id", "agent_key", "signature", "mandate", "user_present"))
EXAMPLES: Final = 8
_IDS: Final = ("event_id", "actor_id", "target_id", "creator_id", "principal_id")
_NAMED: Final = {
    **dict.fromkeys(_IDS, LONGEST_ID),
    "slate_id": LONGEST_SLATE_ID,
    "topic": LONGEST_TOPIC,
    "agent_key": LONGEST_AGENT_KEY,
}
_LONGEST: Final = {**_NAMED, "origin_hash": LONGEST_HASH}
_TAGS: Final = ("actor_locale", "content_language")
_TEXT: Final = (*_LONGEST, *_TAGS)
_TAG: Final = re.compile(LANGUAGE_TAG)
_MOMENT: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$"
# Not JSON, but pyarrow takes the first two; and no text.
_FOREIGN: Final = (b"NaN", b"Inf", b"\\u0000")


class Unfit(Exception):
    """Not to be read as a block."""


def read(values: Sequence[bytes], latest_ms: Any) -> list[pa.Array]:
    """The columns of `frames.LIKES` but for where the likes came from. `latest_ms`: the latest moment that each may
    say, shape (n,). Raises Unfit.
    """
    block = b"\n".join(values)
    _require_flat(block, len(values))
    table = _parse(block, values)
    if table.num_rows != len(values):
        raise Unfit
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    if any(columns[name].null_count for name in _REQUIRED) or any(
        columns[name].null_count < len(values) for name in _OTHERS
    ):
        raise Unfit
    found = {name: _moments(columns[name]) for name in _TIMES}
    _require(pc.less_equal(found["occurred_at"], pa.array(latest_ms)))
    found |= {name: _codes(columns[name], known) for name, known in _CODES.items()}
    for name, longest in _LONGEST.items():
        if columns[name].null_count == len(values):
            continue
        lengths = pc.utf8_length(columns[name])
        _require(pc.less_equal(lengths, longest))
        if name in _NAMED:
            _require(pc.greater(lengths, 0))
    for name in _TAGS:
        _require_tags(columns[name])
    rank, propensity = columns["rank"], columns["propensity"]
    _require(pc.and_(pc.greater_equal(rank, 0), pc.less_equal(rank, HIGHEST_RANK)))
    _require(pc.and_(pc.greater(propensity, 0), pc.less_equal(propensity, 1)))
    found["rank"] = rank.cast(pa.int32())
    return [found.get(f.name, columns.get(f.name)) for f in frames.LIKES if f.name not in frames.PLACE]


def _require(holds: pa.Array) -> None:
    """Where something is said at all."""
    if pc.all(holds).as_py() is False:
        raise Unfit


def _require_flat(block: bytes, count: int) -> None:
    """One object a line, nothing in an object but plain values."""
    characters = np.frombuffer(block, np.uint8)
    begins, ends = np.flatnonzero(characters == ord("{")), np.flatnonzero(characters == ord("}"))
    breaks = np.flatnonzero(characters == ord("\n"))
    if not len(begins) == len(ends) == len(breaks) + 1 == count:
        raise Unfit
    bounds = np.r_[-1, breaks, len(block)]
    if (begins != bounds[:-1] + 1).any() or (ends != bounds[1:] - 1).any():
        raise Unfit
    # A single character is found many times as fast as a word.
    if b"[" in block or any(word[:1] in block and word in block for word in _FOREIGN):
        raise Unfit
    try:
        block.decode()
    except UnicodeDecodeError:
        raise Unfit from None


def _parse(block: bytes, values: Sequence[bytes]) -> pa.Table:
    try:
        examples = [msgspec.json.decode(value) for value in (values[0], *_longest(values))]
        times = {name: pa.string() if isinstance(examples[0].get(name), str) else pa.int64() for name in _TIMES}
        kinds = {
            **dict.fromkeys((*_TEXT, *_CODES, *_OTHERS), pa.string()),
            **times,
            "rank": pa.int64(),
            "propensity": pa.float64(),
        }
        names = set().union(*examples)
        if names <= kinds.keys():
            said = {name: kind for name, kind in kinds.items() if name in names or name not in _SELDOM}
            try:
                return _with_unsaid(_parse_as(block, said, "error"), kinds)
            except pa.ArrowInvalid:
                pass
        return _parse_as(block, kinds, "ignore")
    except (pa.ArrowInvalid, msgspec.DecodeError, RecursionError):
        raise Unfit from None


def _longest(values: Sequence[bytes]) -> list[bytes]:
    """A few: these are likely to have what others lack."""
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    return [values[at] for at in np.argpartition(lengths, -min(EXAMPLES, len(values)))[-EXAMPLES:].tolist()]


def _parse_as(block: bytes, kinds: dict[str, pa.DataType], unexpected: str) -> pa.Table:
    return json.read_json(
        pa.BufferReader(block),
        json.ReadOptions(use_threads=False, block_size=len(block) + 1),
        json.ParseOptions(explicit_schema=pa.schema(kinds), unexpected_field_behavior=unexpected),
    )


def _with_unsaid(table: pa.Table, kinds: dict[str, pa.DataType]) -> pa.Table:
    columns = dict(zip(table.column_names, table.columns, strict=True))
    absent = {kind: pa.chunked_array([pa.nulls(table.num_rows, kind)]) for kind in set(kinds.values())}
    return pa.table({name: columns.get(name, absent[kind]) for name, kind in kinds.items()})


def _moments(column: pa.Array) -> pa.Array:
    """Milliseconds of a column of milliseconds, or of RFC 3339 text in its usual form."""
    if pa.types.is_string(column.type):
        _require(pc.match_substring_regex(column, _MOMENT))
        try:
            column = column.cast(pa.timestamp("ms", "UTC")).cast(pa.int64())
        except pa.ArrowInvalid:
            raise Unfit from None
    _require(pc.and_(pc.greater_equal(column, EARLIEST_MS), pc.less(column, LATEST_MS)))
    return column


def _codes(column: pa.Array, known: pa.Array) -> pa.Array:
    """The code of each name; of none, the first one's."""
    if column.null_count == len(column):
        return pa.array(np.zeros(len(column), np.int8))
    codes = pc.index_in(column, known)
    if codes.null_count > column.null_count:
        raise Unfit
    return codes.fill_null(0).cast(pa.int8())


def _require_tags(column: pa.Array) -> None:
    """Few different ones, many times each."""
    for tag in column.unique().to_pylist():
        if tag is not None and (len(tag) > LONGEST_TAG or not _TAG.fullmatch(tag)):
            raise Unfit
