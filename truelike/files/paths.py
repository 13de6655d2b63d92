"""Paths into a row: `commit.record.subject.uri`, a list's element by its number."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

MISSING: Final = object()


def at(value: Any, path: str) -> Any:
    """What lies there, MISSING where nothing does. A name that has dots itself goes before a path."""
    if not path:
        return value
    value = _opened(value)
    if isinstance(value, list):
        head, _, rest = path.partition(".")
        number = int(head) if head.isdecimal() else len(value)
        return at(value[number], rest) if number < len(value) else MISSING
    if not isinstance(value, dict):
        return MISSING
    for head, rest in _splits(path):
        if head in value:
            return at(value[head], rest)
    return MISSING


def column_of(path: str, names: Collection[str]) -> tuple[str, str] | None:
    """The column that a path begins with, and what of the path is left. Case counts only where it tells two apart."""
    lowered = {name.lower(): name for name in reversed(list(names))}
    for head, rest in _splits(path):
        if head in names:
            return head, rest
        if head.lower() in lowered:
            return lowered[head.lower()], rest
    return None


def _splits(path: str) -> list[tuple[str, str]]:
    """(head, rest), the longest head first."""
    parts = path.split(".")
    return [(".".join(parts[:n]), ".".join(parts[n:])) for n in range(len(parts), 0, -1)]


def _opened(value: Any) -> Any:
    """JSON inside a text, as a column of a CSV file or a Parquet file may have it."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
