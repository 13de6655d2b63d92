"""Files whose likes were judged already: the exporter's, taken at their word."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from truelike.cli.reading import Reading
from truelike.files.content import WrongUse
from truelike.files.reading import Advance
from truelike.files.result import Result

if TYPE_CHECKING:
    import pyarrow as pa


def are_exported(files: Sequence[Path], reading: Reading) -> bool:
    """Whether all files are the exporter's. Raises WrongUse where only some are."""
    from truelike.files.exported import is_exported

    options = reading.options
    if options.mapping or options.sql is not None or options.format is not None:
        return False
    found = [is_exported(path) for path in files]
    if any(found) and not all(found):
        one, other = files[found.index(True)], files[found.index(False)]
        raise WrongUse(f"{one} is the exporter's and judged already, {other} is not: give them one after the other")
    return all(found)


def taken_at_their_word(files: Sequence[Path], result: Result, advance: Advance) -> pa.RecordBatch:
    """The latest revision of each like in order of time (schema `schemas.TRUSTED_LIKES`). Raises UnreadableFile."""
    from truelike.files import exported
    from truelike.report import from_files

    rows = exported.read(files, advance)
    likes = from_files.latest(rows)
    result.rows, result.accepted, result.duplicates = rows.num_rows, likes.num_rows, rows.num_rows - likes.num_rows
    if result.duplicates:
        result.notes.append("duplicates are earlier revisions")
    return likes
