"""Pieces of a file on their way to the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Refused:
    """A row that does not fit, and why: `errors` are "field: reason". `line` is of the text, where it is no row's."""

    row: int
    errors: tuple[str, ...]
    event: Any = None
    line: int | None = None


@dataclass(frozen=True)
class Part:
    """Some rows of a file: either columns or events. `rows` are their numbers, from 1; `lines` where each begins in a
    text; `done` is how far it is through the file, in the reader's unit.
    """

    rows: list[int]
    done: int
    table: pa.Table | None = None
    events: list[Any] | None = None
    lines: list[int] | None = None
    refused: tuple[Refused, ...] = ()
