"""Whole columns at once, where every value of a batch is plain: text or whole ids, times all of one form.

Gives what `decoding` gives row by row (tests/unit/truelike/files/test_decoding.py holds the two together), or nothing.
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from shared import schemas
from shared.contract.times import EARLIEST_MS, LATEST_MS, TEXT, TYPED
from shared.events import LONGEST_AGENT_KEY, LONGEST_SLATE_ID, LONGEST_TOPIC

_CODES: Final = {name: names for name, names in schemas.CODES.items() if name in schemas.LIKES.names}
# 128 characters are never more than 512 bytes.
_MOST_CHARACTERS: Final = 128
_IDS: Final = ("actor_id", "target_id", "event_id", "creator_id", "principal_id")
_NAMES: Final = {"slate_id": LONGEST_SLATE_ID, "topic": LONGEST_TOPIC, "agent_key": LONGEST_AGENT_KEY}
# (from, below, unit, of which so many are a ms, ms of one)
_UNITS: Final = (
    (10**8, 10**11, "seconds", 1, 1000),
    (10**11, 10**14, "milliseconds", 1, 1),
    (10**14, 10**17, "microseconds", 1000, 1),
    (10**17, 2**63, "nanoseconds", 1_000_000, 1),
)
_MOMENT: Final = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,3})?Z$"
_DIGITS: Final = r"^[1-9]\d{8,17}$"


def likes(columns: dict[str, Any], times: set[str], rows: int) -> tuple[dict[str, Any], str] | None:
    """Columns of `schemas.LIKES` by name (event_id with nulls where there is none) and the form that the times came in.

    `columns` are those of the file by the contract's names; `times` those that are ms already. None where a row needs
    a look of its own.
    """
    if rows == 0 or ("undoes" in columns and columns["undoes"].null_count < rows):
        return None
    found: dict[str, Any] = {}
    for name in _IDS:
        column = _ids(columns.get(name), rows)
        if column is None or (name in ("actor_id", "target_id") and column.null_count):
            return None
        found[name] = column
    for name, longest in _NAMES.items():
        column = _ids(columns.get(name), rows, longest)
        if column is None:
            return None
        found[name] = column
    moments = _times(columns.get("occurred_at"), "occurred_at" in times)
    if moments is None:
        return None
    found["occurred_at"], form = moments
    for name, names in _CODES.items():
        codes = _codes(columns.get(name), names, rows)
        if codes is None:
            return None
        found[name] = codes
    for field in schemas.LIKES:
        if field.name not in found:
            if field.name in columns and columns[field.name].null_count < rows:
                return None
            found[field.name] = pa.nulls(rows, field.type)
    return found, form


def _ids(column: Any, rows: int, longest: int = _MOST_CHARACTERS) -> Any:
    if column is None or pa.types.is_null(column.type):
        return pa.nulls(rows, pa.string())
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    if not pa.types.is_string(column.type):
        return None
    length = pc.min_max(pc.utf8_length(column))
    if (length["max"].as_py() or 0) > longest or length["min"].as_py() == 0:
        return None
    return None if pc.any(pc.match_substring(column, "\0")).as_py() else column


def _times(column: Any, typed: bool) -> tuple[Any, str] | None:
    if column is None or column.null_count:
        return None
    form = TYPED
    if pa.types.is_string(column.type):
        if pc.all(pc.match_substring_regex(column, _DIGITS)).as_py():
            column = column.cast(pa.int64())
        elif pc.all(pc.match_substring_regex(column, _MOMENT)).as_py():
            try:
                column = column.cast(pa.timestamp("ms", "UTC")).cast(pa.int64())
            except pa.ArrowInvalid:  # the 30th of February, the second 60
                return None
            form, typed = TEXT, True
    if not pa.types.is_integer(column.type):
        return None
    if not typed:
        scaled = _scaled(column)
        if scaled is None:
            return None
        column, form = scaled
    bounds = pc.min_max(column)
    if bounds["min"].as_py() < EARLIEST_MS or bounds["max"].as_py() >= LATEST_MS:
        return None
    return column.cast(pa.int64()), form


def _scaled(column: Any) -> tuple[Any, str] | None:
    bounds = pc.min_max(column)
    for least, beyond, unit, divisor, factor in _UNITS:
        if least <= bounds["min"].as_py() and bounds["max"].as_py() < beyond:
            number = column.cast(pa.int64())
            return (pc.multiply(number, factor) if factor > 1 else pc.divide(number, divisor)), unit
    return None


def _codes(column: Any, names: tuple[str, ...], rows: int) -> Any:
    if column is None or column.null_count == rows:
        return pa.array([0] * rows, pa.int8())
    if not pa.types.is_string(column.type):
        return None
    codes = pc.index_in(column, pa.array(names))
    if codes.null_count > column.null_count:
        return None
    return pc.fill_null(codes, 0).cast(pa.int8())
