"""Arrow columns of any type as those that the contract reads: text, numbers, and times as ms since the epoch.

Times are taken as the integers that they are: DuckDB gives up a whole file for one Parquet time that it cannot hold.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from shared.contract.times import EARLIEST_MS, LATEST_MS

_OF_A_MS: Final = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1000), "ns": (1, 1_000_000)}
_DAY_MS: Final = 86_400_000
# Beyond every time that counts, and far from where int64 ends.
_FAR: Final = 10**15


def plain(table: pa.Table, zone: tzinfo | None) -> tuple[pa.Table, set[str]]:
    """The table with plain types, and the names of the columns that were times: ms, also of years nobody means.

    A time without a zone is of `zone`, or UTC, as Parquet's writers mean it.
    """
    columns, times = [], set()
    for name, column in zip(table.column_names, table.columns, strict=True):
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        kind = column.type
        if isinstance(kind, pa.ExtensionType):
            column = _of_extension(column)
        elif pa.types.is_dictionary(kind):
            column = column.dictionary_decode()
        kind = column.type
        if pa.types.is_timestamp(kind):
            column = _in_ms(column, zone)
            times.add(name)
        elif pa.types.is_date(kind):
            days = column.cast(pa.int32()) if pa.types.is_date32(kind) else None
            column = pc.multiply(days.cast(pa.int64()), _DAY_MS) if days is not None else column.cast(pa.int64())
            column = _in_zone(column, zone)
            times.add(name)
        elif pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            column = column.cast(pa.string())
        if pa.types.is_string(column.type):
            column = _text(column)
        columns.append(column)
    return pa.table(columns, names=table.column_names), times


def _of_extension(column: Any) -> Any:
    """A UUID by its text, anything else as it is stored."""
    if column.type.extension_name == "arrow.uuid":
        return pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
    return column.storage


def _text(column: Any) -> Any:
    """Bytes where what is called text is none: Parquet's writers do not always look."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return column.cast(pa.binary())
    return column


def _in_ms(column: Any, zone: tzinfo | None) -> Any:
    factor, divisor = _OF_A_MS[column.type.unit]
    number = column.cast(pa.int64())
    if factor > 1:
        bound = _FAR // factor
        number = pc.min_element_wise(number, bound, skip_nulls=False)
        number = pc.multiply(pc.max_element_wise(number, -bound, skip_nulls=False), factor)
    elif divisor > 1:
        number = _rounded(number, divisor)
    return number if column.type.tz is not None else _in_zone(number, zone)


def _rounded(number: Any, divisor: int) -> Any:
    """The nearest ms, halves up."""
    quotient = pc.divide(number, divisor)  # towards zero
    rest = pc.subtract(number, pc.multiply(quotient, divisor))
    up = pc.cast(pc.greater_equal(rest, divisor // 2), pa.int64())
    down = pc.cast(pc.less(rest, -(divisor // 2)), pa.int64())
    return pc.subtract(pc.add(quotient, up), down)


def _in_zone(ms: Any, zone: tzinfo | None) -> Any:
    """Times of a clock in `zone` as UTC; of years that nobody means, as they are."""
    if zone is None or str(zone) == "UTC":
        return ms
    meant = pc.and_(pc.greater_equal(ms, EARLIEST_MS), pc.less(ms, LATEST_MS))
    clock = pc.if_else(meant, ms, pa.scalar(None, pa.int64())).cast(pa.timestamp("ms"))
    name = str(zone).removeprefix("UTC") or "UTC"
    there = pc.assume_timezone(clock, name, ambiguous="earliest", nonexistent="earliest")
    return pc.coalesce(there.cast(pa.int64()), ms)
