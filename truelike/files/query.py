"""SQL over a file, the view `file`, for whatever has other names or shapes than the contract; by DuckDB.

What DuckDB sees has been read by our own readers where it is text: the same header, the same rows refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from truelike.files.content import UnreadableFile
from truelike.files.delimited import Header
from truelike.files.parts import Part
from truelike.files.spool import connected, quoted

BATCH_ROWS: Final = 10_000


def rows_of(sql: str, view: str, folder: Path, asked: str) -> Iterator[Part]:
    """What a query over `view` (SQL as well) gives, as columns. `asked` names who asked, for errors.

    Raises UnreadableFile with DuckDB's first line.
    """
    with connected(folder) as connection:
        try:
            connection.execute(f"create view file as {view}")
            relation = connection.sql(sql.strip().rstrip(";"))
            if relation is None:
                raise UnreadableFile(f"{asked}: write one select from file")
            row = 0
            for batch in relation.to_arrow_reader(BATCH_ROWS):
                yield Part(list(range(row + 1, row + batch.num_rows + 1)), row, pa.Table.from_batches([batch]))
                row += batch.num_rows
        except duckdb.Error as error:
            first = next((line for line in str(error).splitlines() if line.strip()), "")
            raise UnreadableFile(f"{asked}: {first}") from None


def spool_rows(parts: Iterator[Part], header: Header, folder: Path) -> Iterator[Part]:
    """Writes the columns of all parts to a file for DuckDB; gives the parts on without them, for what they refuse."""
    schema = pa.schema([(name, pa.string()) for name in header.names])
    with pq.ParquetWriter(folder / "rows.parquet", schema, compression="zstd") as writer:
        for part in parts:
            if part.table is not None:
                writer.write_table(part.table.cast(schema))
            yield Part([], part.done, events=[], refused=part.refused)


def spool_events(parts: Iterator[Part], folder: Path) -> Iterator[Part]:
    """As `spool_rows`, for JSON: one object a line."""
    with (folder / "rows.jsonl").open("wb") as out:
        for part in parts:
            for event in part.events or ():
                _write(out, event)
            yield Part([], part.done, events=[], refused=part.refused)


def _write(out: IO[bytes], event: Any) -> None:
    try:
        out.write(msgspec.json.encode(event) + b"\n")
    except (UnicodeEncodeError, msgspec.EncodeError):  # a lone surrogate: the value goes, not the row
        out.write(msgspec.json.encode(_cleaned(event)) + b"\n")


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_cleaned(k): _cleaned(v) for k, v in value.items()}
    return [_cleaned(v) for v in value] if isinstance(value, list) else value


def view_of(kind: str, path: Path, folder: Path) -> str:
    """The view's SQL: of a Parquet file itself, of text as `spool_rows` and `spool_events` wrote it."""
    if kind == "parquet":
        return f"select * from read_parquet('{quoted(path)}')"
    if kind == "csv":
        return f"select * from read_parquet('{quoted(folder / 'rows.parquet')}')"
    return f"select * from read_json('{quoted(folder / 'rows.jsonl')}', format = 'newline_delimited', sample_size = -1)"
