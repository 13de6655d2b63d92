"""One way to read any file: what it holds, row by row or column by column, through the contract, in order of time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from truelike.files import formats
from truelike.files.content import Content, UnreadableFile, look
from truelike.files.decoding import Decoding
from truelike.files.delimited import read_header, read_rows
from truelike.files.documents import read_events
from truelike.files.options import ReadOptions
from truelike.files.parts import Part, Refused
from truelike.files.query import rows_of, spool_events, spool_rows, view_of
from truelike.files.result import Result
from truelike.files.spool import Spool

BATCH_ROWS: Final = 10_000

# (done, of all), in bytes or rows.
Advance = Callable[[int, int], None]


@contextmanager
def opened(path: Path, options: ReadOptions, result: Result, advance: Advance) -> Iterator[Spool]:
    """The file's likes, read and ready to be sorted; what became of its rows is in `result`.

    Copies lie in a temporary folder (TMPDIR) until the context ends. Raises UnreadableFile and OSError.
    """
    with opened_all((path,), options, result, advance) as spool:
        yield spool


@contextmanager
def opened_all(paths: Sequence[Path], options: ReadOptions, result: Result, advance: Advance) -> Iterator[Spool]:
    """The likes of several files as those of one; rows are numbered within each."""
    with tempfile.TemporaryDirectory(prefix="truelike-") as name:
        spool = Spool(Path(name), "")
        for number, path in enumerate(paths):
            folder = Path(name) / str(number)
            folder.mkdir()
            spool.name = path.name
            _read(path, spool, folder, options, result, advance)
        yield spool


def _read(path: Path, spool: Spool, folder: Path, options: ReadOptions, result: Result, advance: Advance) -> None:
    before = result.rows
    content = look(path, folder, options.kind, options.encoding)
    result.notes += [note for note in content.notes() if note not in result.notes]
    decoding = Decoding(options.mapping, options.zone, result, options.sql is not None)
    try:
        for part, total in _parts(content, options, folder, result):
            decoded = decoding.take(part)
            if decoded.likes.num_rows:
                spool.add(decoded)
                span = pc.min_max(decoded.likes.column("occurred_at"))
                result.span(span["min"].as_py(), span["max"].as_py())
            advance(part.done, total)
        decoding.end()
    except UnreadableFile as error:
        raise type(error)(f"{path}: {error}") from None
    except pa.ArrowException as error:
        raise UnreadableFile(f"{path} cannot be read: {str(error).splitlines()[0][:200]}") from None
    if content.cut is not None:
        result.rows += 1
        row = result.rows - before
        result.reject([Refused(row, (f"file: the archive is cut after row {row - 1}: {content.cut}",))])


def _parts(content: Content, options: ReadOptions, folder: Path, result: Result) -> Iterator[tuple[Part, int]]:
    size = content.path.stat().st_size
    header = None
    if content.kind == "parquet":
        parts, size = _of_parquet(content.path), pq.read_metadata(content.path).num_rows
        names: tuple[str, ...] = tuple(pq.read_schema(content.path).names)
    elif content.kind == "csv":
        header = read_header(content.path, options)
        if header is None:
            return
        names = header.names
        if header.delimiter != ",":
            result.notes.append(f"columns separated by {_named(header.delimiter)}")
        parts = read_rows(content.path, header)
    else:
        parts, names = read_events(content.path), ()
    chosen = formats.BY_NAME.get(options.format or "")
    if chosen is None and options.sql is None and not options.mapping:
        chosen = formats.of_header(names)
    sql = options.sql if chosen is None else chosen.sql
    if sql is None:
        yield from ((part, size) for part in parts)
        return
    if chosen is not None:
        result.notes.append(f"format {chosen.name}")
    if content.kind == "csv":
        assert header is not None
        yield from ((part, size) for part in spool_rows(parts, header, folder))
    elif content.kind == "json":
        yield from ((part, size) for part in spool_events(parts, folder))
    asked = "--sql" if chosen is None else f"--format {chosen.name} ({chosen.about})"
    for part in rows_of(sql, view_of(content.kind, content.path, folder), folder, asked):
        yield part, max(part.done, size)


def _of_parquet(path: Path) -> Iterator[Part]:
    row = 0
    with pq.ParquetFile(path, pre_buffer=False, coerce_int96_timestamp_unit="us") as file:
        for batch in file.iter_batches(BATCH_ROWS):
            rows = list(range(row + 1, row + batch.num_rows + 1))
            row += batch.num_rows
            yield Part(rows, row, pa.Table.from_batches([batch]))


def _named(delimiter: str) -> str:
    return {"\t": "tabs", ";": "semicolons", "|": "bars"}.get(delimiter, repr(delimiter))
