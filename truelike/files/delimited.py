"""CSV and its kin, row by row: a row that is no row is refused, and reading goes on behind its first line.

Python's own csv module parses (RFC 4180, quoted line ends, CR, LF and CRLF mixed). DuckDB's reader does not fit here:
after a quote that is never closed it ends without a word (docs/decisions/0014).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Final

import pyarrow as pa
import pyarrow.compute as pc

from shared.contract.decode import MOST_BYTES
from truelike.files import formats
from truelike.files.content import UnreadableFile, WrongUse
from truelike.files.options import FIELDS, ReadOptions
from truelike.files.parts import Part, Refused

BATCH_ROWS: Final = 10_000
_DELIMITERS: Final = (",", ";", "\t", "|")
# Some spreadsheets have names of two lines or three.
_MOST_HEADER_LINES: Final = 5
_QUOTES: Final = " \t\"'\ufeff"


@dataclass(frozen=True)
class Header:
    """`names` of the columns. `spaced`: a blank follows each delimiter, in the header and so in the rows."""

    names: tuple[str, ...]
    delimiter: str
    first_line: bool
    spaced: bool = False


def read_header(path: Path, options: ReadOptions) -> Header | None:
    """What the first line says, or what the options do. None of an empty file. Raises UnreadableFile."""
    named = formats.BY_NAME.get(options.format or "")
    columns = tuple(options.columns) or (named.columns if named is not None else ())
    delimiter = options.delimiter or (named.delimiter if named is not None else None)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = [line for line in islice(iter(lambda: file.readline(MOST_BYTES), ""), 100) if line.strip("\r\n")]
    if not lines:
        return None
    candidates = (delimiter,) if delimiter is not None else _DELIMITERS
    found = {d: _first_record(lines, d) for d in candidates}
    if columns:
        return _given(columns, {d: len(record) for d, record in found.items()})
    known = {name.lower() for name in (*FIELDS, *options.mapping.values())}
    known |= {path.partition(".")[0].lower() for path in options.mapping.values()}

    def fit(candidate: str) -> tuple[int, int, int]:
        names = [name.strip(_QUOTES).lower() for name in found[candidate]]
        return (formats.of_header(names) is not None, len(known.intersection(names)), len(names))

    best = max(candidates, key=fit)
    names = tuple(name.strip(_QUOTES) for name in found[best])
    if not any(fit(best)[:2]) and options.sql is None and named is None:
        raise UnreadableFile(
            f"no column has a name that Truelike knows (first line: {lines[0].strip()[:80]!r}): if that line names the "
            "columns, say which is which (--map actor_id=COLUMN and so on); if it is a row already, name all columns "
            "in their order (--columns event_id,occurred_at,actor_id,target_id)"
        )
    if any(name.count("\n") > _MOST_HEADER_LINES for name in names):
        raise UnreadableFile("the first line opens a quote that is not closed: close it, or take it away")
    _refuse_twins(names)
    return Header(names, best, True, len(names) > 1 and all(name.startswith(" ") for name in found[best][1:]))


def _first_record(lines: Iterable[str], delimiter: str) -> list[str]:
    try:
        return next(csv.reader(lines, delimiter=delimiter), [])
    except csv.Error:
        return []


def _given(columns: Sequence[str], widths: dict[str, int]) -> Header:
    _refuse_twins(columns)
    best = min(widths, key=lambda d: (abs(widths[d] - len(columns)), -widths[d]))
    if len(columns) > 1 and widths[best] == 1:
        raise WrongUse(f"{len(columns)} columns are named, the first line has one: name its --delimiter")
    return Header(tuple(columns), best, False)


def _refuse_twins(names: Sequence[str]) -> None:
    lowered = [name.lower() for name in names]
    twin = next((name for n, name in enumerate(names) if name and lowered.index(lowered[n]) != n), None)
    if twin is not None:
        raise UnreadableFile(
            f"two columns are called {twin!r}: rename one in the first line, since nobody can tell which is meant"
        )


def read_rows(path: Path, header: Header) -> Iterator[Part]:
    """All rows, every column as text, an empty value as null."""
    csv.field_size_limit(MOST_BYTES)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = _Rows(file, header)
        while part := rows.batch():
            yield part


class _Rows:
    def __init__(self, file: IO[str], header: Header) -> None:
        self._file = file
        self._header = header
        self._width = len(header.names)
        self._taken: list[str] = []
        self._back: list[str] = []
        self._line = self._row = 0
        if header.first_line:
            self._skip_header()
        self._reader = self._new_reader()

    def _skip_header(self) -> None:
        """As leniently as `read_header` has read it."""
        try:
            while not next(csv.reader(self._lines(), delimiter=self._header.delimiter)):
                pass
        except csv.Error as error:
            raise UnreadableFile(f"the first line, which names the columns, cannot be read as CSV: {error}") from None
        self._line, self._taken = len(self._taken), []

    def _new_reader(self) -> Iterator[list[str]]:
        return csv.reader(self._lines(), delimiter=self._header.delimiter, strict=True)

    def _lines(self) -> Iterator[str]:
        """Lines, kept until their record is whole: a record that never ends gives back all but its first."""
        while line := self._back.pop() if self._back else self._file.readline(MOST_BYTES):
            self._taken.append(line)
            if len(line) == MOST_BYTES and line[-1] not in "\r\n":
                while (rest := self._file.readline(MOST_BYTES)) and rest[-1] not in "\r\n":
                    pass
                raise csv.Error(f"a line has more than {MOST_BYTES} characters")
            yield line

    def batch(self) -> Part | None:
        records: list[list[str]] = []
        rows: list[int] = []
        lines: list[int] = []
        refused: list[Refused] = []
        width = self._width
        while len(records) + len(refused) < BATCH_ROWS:
            try:
                record = next(self._reader)
            except StopIteration:
                break
            except csv.Error as error:
                refused.append(self._broken(str(error)))
                continue
            at = self._line + 1
            self._line += len(self._taken)
            if record:
                self._row += 1
                if len(record) != width and not self._fitted(record):
                    refused.append(self._wide(record, at, "".join(self._taken)))
                else:
                    records.append(record)
                    rows.append(self._row)
                    lines.append(at)
            self._taken.clear()
        if not records and not refused:
            return None
        table, rows, lines = self._columns(records, rows, lines, refused)
        return Part(rows, self._file.buffer.tell(), table, lines=lines, refused=tuple(refused))  # type: ignore[attr-defined]

    def _broken(self, why: str) -> Refused:
        first, *others = self._taken or [""]
        self._row += 1
        self._line += 1
        self._taken = []
        self._back += reversed(others)
        self._reader = self._new_reader()
        why = "a quote is opened and not closed" if "unexpected end" in why or "field larger" in why else why
        return Refused(self._row, (f"row: cannot be read as CSV: {why}",), first.rstrip("\r\n")[:1000], self._line)

    def _fitted(self, record: list[str]) -> bool:
        """A row that is short has nothing in its last columns; what is too many may be empty."""
        if any(record[self._width :]):
            return False
        record += [""] * (self._width - len(record))
        del record[self._width :]
        return True

    def _wide(self, record: list[str], line: int, text: str) -> Refused:
        why = f"row: has {len(record)} values where the header names {self._width} columns"
        return Refused(self._row, (why,), text.rstrip("\r\n")[:1000], line)

    def _columns(
        self, records: list[list[str]], rows: list[int], lines: list[int], refused: list[Refused]
    ) -> tuple[pa.Table, list[int], list[int]]:
        try:
            return self._table(records), rows, lines
        except UnicodeEncodeError:
            good = []
            for n, record in enumerate(records):
                if "".join(record).isprintable() or _is_text(record):
                    good.append(n)
                else:
                    text = self._header.delimiter.join(record).encode("utf-8", "replace").decode()
                    refused.append(Refused(rows[n], ("row: is not valid UTF-8",), text, lines[n]))
            return self._table([records[n] for n in good]), [rows[n] for n in good], [lines[n] for n in good]

    def _table(self, records: list[list[str]]) -> pa.Table:
        columns = []
        for values in zip(*records, strict=True) if records else [()] * self._width:
            column = pa.array(values, pa.string())
            if self._header.spaced:
                column = pc.utf8_ltrim(column, " ")
            columns.append(pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column))
        return pa.table(columns, names=list(self._header.names))


def _is_text(record: list[str]) -> bool:
    try:
        "".join(record).encode()
    except UnicodeEncodeError:
        return False
    return True
