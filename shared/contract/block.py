"""Many messages read as one block of JSON: columns at once, no Python object a like.

Takes only what leaves no doubt: flat objects with the contract's own types. What does not fit is left to
`shared.contract.decode` one by one, which has the last word on what a like is (tests/unit/shared/test_block.py holds
the two together). A message can never change how its neighbours are read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json

from shared import schemas
from shared.contract.times import EARLIEST_MS, LATEST_MS
from shared.contract.unfit import Bools, Unfit
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
_CODES: Final = {c: pa.array(names) for c, names in schemas.CODES.items() if c in schemas.LIKES.names}
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
# Characters that a flat object has at its ends only.
_STRUCTURAL: Final = b"{}[\n"

_KINDS: Final = {
    **dict.fromkeys((*_TEXT, *_CODES, *_OTHERS), str),
    **dict.fromkeys(_TIMES, str | int),
    "rank": int,
    "propensity": float,
}
_plain: Final = msgspec.json.Decoder(
    msgspec.defstruct(
        "Plain",
        [
            (f"f{n}", kind | None, msgspec.field(name=name, default=None))
            for n, (name, kind) in enumerate(_KINDS.items())
        ],
    )
)


def read(values: Sequence[bytes], latest_ms: Any) -> tuple[list[pa.Array], Bools]:
    """The columns of `schemas.LIKES` but for where the likes came from, of those that fit, and which did, shape (n,).
    `latest_ms`: the latest moment that each may say, shape (n,). Raises Unfit where they cannot be parsed together.
    """
    block = b"\n".join(values)
    not_flat = _not_flat(block, values)
    if not_flat.any():
        raise Unfit(not_flat)
    table = _parse(block, values)
    if table.num_rows != len(values):
        raise Unfit
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    unfit = _Unfit(len(values))
    for name in _REQUIRED:
        unfit.where(pc.is_null(columns[name]))
    for name in _OTHERS:
        unfit.where(pc.is_valid(columns[name]))
    found = {name: _moments(columns[name], unfit) for name in _TIMES}
    unfit.unless(pc.less_equal(found["occurred_at"], pa.array(latest_ms)))
    found |= {name: _codes(columns[name], known, unfit) for name, known in _CODES.items()}
    for name, longest in _LONGEST.items():
        if columns[name].null_count == len(values):
            continue
        lengths = pc.utf8_length(columns[name])
        unfit.unless(pc.less_equal(lengths, longest))
        if name in _NAMED:
            unfit.unless(pc.greater(lengths, 0))
    for name in _TAGS:
        unfit.unless(_are_tags(columns[name]))
    rank, propensity = columns["rank"], columns["propensity"]
    unfit.unless(pc.and_(pc.greater_equal(rank, 0), pc.less_equal(rank, HIGHEST_RANK)))
    unfit.unless(pc.and_(pc.greater(propensity, 0), pc.less_equal(propensity, 1)))
    fits = ~unfit.rows
    if not fits.any():
        raise Unfit(unfit.rows)
    found |= {name: columns[name] for name in schemas.LIKES.names if name in columns and name not in found}
    if not fits.all():
        kept = pa.array(fits)
        found = {name: column.filter(kept) for name, column in found.items()}
    found["rank"] = found["rank"].cast(pa.int32())
    return [found[f.name] for f in schemas.LIKES if f.name not in schemas.PLACE], fits


class _Unfit:
    """Who is to blame, of so many."""

    def __init__(self, count: int) -> None:
        self.rows = np.zeros(count, np.bool_)

    def where(self, is_so: pa.Array) -> None:
        self.rows |= is_so.to_numpy(zero_copy_only=False)

    def unless(self, holds: pa.Array) -> None:
        """Where something is said at all."""
        if pc.all(holds).as_py() is False:
            self.where(pc.invert(holds).fill_null(False))


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _not_flat(block: bytes, values: Sequence[bytes]) -> Bools:
    """Which of the values of a block are no flat objects: one a line, nothing in it but plain values. Shape (n,)."""
    characters = np.frombuffer(block + b"\n", np.uint8)
    ends = np.cumsum(np.fromiter(map(len, values), np.int64, len(values)) + 1)
    # A look at each character in a table would take five times as long.
    structural = reduce(np.logical_or, (characters == one for one in _STRUCTURAL))
    of_value = np.searchsorted(ends, np.flatnonzero(structural), "right")
    # One that begins, one that ends it, and the break behind it.
    fits = np.bincount(of_value, minlength=len(values)) == 3
    fits &= (characters[np.r_[0, ends[:-1]]] == ord("{")) & (characters[ends - 2] == ord("}"))
    for word in _FOREIGN:
        # A single character is found many times as fast as a word.
        if word[:1] in block and word in block:
            fits &= [word not in value for value in values]
    if not _is_text(block):
        fits &= [_is_text(value) for value in values]
    return ~fits


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
        raise Unfit(_to_blame(values)) from None


def _to_blame(values: Sequence[bytes]) -> Bools | None:
    """Which of them are not of the contract's types, or say a time in another form than the first; None where there are
    none.
    """
    blamed = np.array([not _is_plain(value) for value in values])
    column = pa.array(values, pa.binary())
    for name in _TIMES:
        as_text = pc.match_substring_regex(column, f'"{name}"\\s*:\\s*"').to_numpy(zero_copy_only=False)
        blamed |= as_text != as_text[0]
    return blamed if blamed.any() else None


def _is_plain(value: bytes) -> bool:
    try:
        _plain.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


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


def _moments(column: pa.Array, unfit: _Unfit) -> pa.Array:
    """Milliseconds of a column of milliseconds, or of RFC 3339 text in its usual form."""
    if pa.types.is_string(column.type):
        usual = pc.match_substring_regex(column, _MOMENT)
        unfit.unless(usual)
        try:
            column = pc.if_else(usual, column, None).cast(pa.timestamp("ms", "UTC")).cast(pa.int64())
        except pa.ArrowInvalid:
            raise Unfit from None
    unfit.unless(pc.and_(pc.greater_equal(column, EARLIEST_MS), pc.less(column, LATEST_MS)))
    return column


def _codes(column: pa.Array, known: pa.Array, unfit: _Unfit) -> pa.Array:
    """The code of each name; of none, the first one's."""
    if column.null_count == len(column):
        return pa.array(np.zeros(len(column), np.int8))
    codes = pc.index_in(column, known)
    if codes.null_count > column.null_count:
        unfit.where(pc.and_(pc.is_null(codes), pc.is_valid(column)))
    return codes.fill_null(0).cast(pa.int8())


def _are_tags(column: pa.Array) -> pa.Array:
    """Few different ones, many times each."""
    encoded = column.dictionary_encode()
    fits = [len(tag) <= LONGEST_TAG and bool(_TAG.fullmatch(tag)) for tag in encoded.dictionary.to_pylist()]
    return pa.array(fits, pa.bool_()).take(encoded.indices)
