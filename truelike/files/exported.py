"""The exporter's own Parquet (docs/feed.md): likes that are judged already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shared import frames
from shared.schemas import CODES, TRUSTED_LIKES
from truelike.files.content import UnreadableFile
from truelike.files.reading import Advance

# By these it is known; what else a trusted like has may be missing, as in files of before.
KNOWN_BY: Final = frozenset(
    ("event_id", "occurred_at", "actor_id", "target_id", "action", "human_probability", "label", "revision")
)
_MAGIC: Final = b"PAR1"


def is_exported(path: Path) -> bool:
    """Whether a file is Parquet with an exporter's columns. Raises OSError."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            return False
    try:
        return set(pq.read_schema(path).names) >= KNOWN_BY
    except pa.ArrowException:
        # Whoever reads it says what is wrong with it.
        return False


def read(paths: Sequence[Path], advance: Advance) -> pa.RecordBatch:
    """All rows of these files, in their order (schema `schemas.TRUSTED_LIKES`). Raises UnreadableFile."""
    batches: list[pa.RecordBatch] = []
    for number, path in enumerate(paths):
        try:
            with pq.ParquetFile(path) as file:
                batches += [_trusted(batch, path) for batch in file.iter_batches()]
        except pa.ArrowException as error:
            raise UnreadableFile(f"{path} cannot be read: {str(error).splitlines()[0][:200]}") from None
        advance(number + 1, len(paths))
    return frames.join(batches, TRUSTED_LIKES)


def _trusted(batch: pa.RecordBatch, path: Path) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([_column(batch, field, path) for field in TRUSTED_LIKES], schema=TRUSTED_LIKES)


def _column(batch: pa.RecordBatch, field: pa.Field, path: Path) -> Any:
    nullable = field.name.startswith("previous_") or pa.types.is_string(field.type)
    if field.name not in batch.schema.names:
        # What a file does not say is unknown, which codes and numbers have as 0.
        return pa.nulls(batch.num_rows, field.type) if nullable else _zeros(batch.num_rows, field.type)
    column = batch.column(field.name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if field.name in CODES and pa.types.is_string(column.type):
        codes = pc.index_in(column, value_set=pa.array(CODES[field.name]))
        strange = column.filter(pc.and_(pc.is_null(codes), pc.is_valid(column)))
        if len(strange):
            known = ", ".join(CODES[field.name])
            raise UnreadableFile(f"{path}: {field.name}: {strange[0].as_py()!r} is none of {known}")
        column = codes
    elif pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", column.type.tz), safe=False).cast(pa.int64())
    if field.name in KNOWN_BY and column.null_count:
        raise UnreadableFile(f"{path}: {field.name}: {column.null_count:,} rows have none; export the file anew")
    column = column.cast(field.type)
    return column if nullable or field.name == "actor_created_at" else pc.fill_null(column, 0)


def _zeros(count: int, kind: pa.DataType) -> Any:
    return pc.fill_null(pa.nulls(count, kind), 0)
