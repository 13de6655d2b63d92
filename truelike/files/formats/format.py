"""What every format by name offers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """`sql` turns the view `file` into fields of a like. `columns`: of a file without a header; `headers`: those that
    tell this format for certain, so that nobody need name it.
    """

    name: str
    about: str
    sql: str
    columns: tuple[str, ...] = ()
    headers: tuple[tuple[str, ...], ...] = ()
    kind: str | None = None
    delimiter: str | None = None
