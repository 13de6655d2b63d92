"""What became of a file's rows: every row is accepted, rejected, ignored or a duplicate."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Final

import msgspec

from shared.contract.decode import UNKNOWN_LIKE
from truelike.files.parts import Refused

EXAMPLES: Final = 3
# Reasons that differ in the values they name are one.
_VALUES: Final = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d[\d.:TZ+-]*")
_MOST_REASONS: Final = 200
_OTHERS: Final = "other reasons"


@dataclass
class Reason:
    """`said`: the first row's; `examples`: the first rows' numbers."""

    said: str
    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class Result:
    """`accepted` and `duplicates` are counted where rows are taken in; `late` by the detector.

    `times` counts the forms that times came in; `notes` say how the file was read. `sink` takes rejected rows as JSON
    lines.
    """

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    rejected: dict[str, Reason] = field(default_factory=dict)
    ignored: dict[str, Reason] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    first_ms: int | None = None
    last_ms: int | None = None
    sink: IO[bytes] | None = None

    @property
    def rejections(self) -> int:
        return sum(reason.count for reason in self.rejected.values())

    @property
    def mistakes(self) -> int:
        """Rejections but for unlikes of likes from before the file, as every stretch of a stream has them."""
        return self.rejections - sum(r.count for r in self.rejected.values() if r.said.startswith(UNKNOWN_LIKE))

    @property
    def ignorations(self) -> int:
        return sum(reason.count for reason in self.ignored.values())

    def reject(self, refused: Iterable[Refused]) -> None:
        for row in refused:
            _count(self.rejected, "; ".join(row.errors), row.row, row.line)
            if self.sink is not None:
                self.sink.write(_line(row))

    def ignore(self, why: str, row: int, line: int | None) -> None:
        _count(self.ignored, why, row, line)

    def span(self, first_ms: int, last_ms: int) -> None:
        self.first_ms = first_ms if self.first_ms is None else min(self.first_ms, first_ms)
        self.last_ms = last_ms if self.last_ms is None else max(self.last_ms, last_ms)


def _count(reasons: dict[str, Reason], said: str, row: int, line: int | None) -> None:
    key = _VALUES.sub("…", said)
    if key not in reasons and len(reasons) >= _MOST_REASONS:
        key = said = _OTHERS
    reason = reasons.setdefault(key, Reason(said))
    reason.count += 1
    if len(reason.examples) < EXAMPLES:
        reason.examples.append(f"{row}" if line is None else f"{row} (line {line})")


def _line(row: Refused) -> bytes:
    found: dict[str, Any] = {"row": row.row, "errors": row.errors}
    if row.line is not None:
        found["line"] = row.line
    return msgspec.json.encode({**found, "event": _writable(row.event)}, enc_hook=str) + b"\n"


def _writable(value: Any) -> Any:
    """As JSON can hold it: text without lone surrogates, keys that are text."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {str(_writable(str(k))): _writable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(v) for v in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, bool | int | float) else str(value)
