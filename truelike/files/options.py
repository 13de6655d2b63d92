"""How a file is to be read, where its own bytes do not tell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from shared.events import Like
from truelike.files import formats
from truelike.files.content import WrongUse

FIELDS: Final = tuple(Like.model_fields)
KINDS: Final = ("csv", "json", "parquet")
_NAMED_DELIMITERS: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d)")


@dataclass(frozen=True)
class ReadOptions:
    """`mapping`: a path into the file's rows by field of the contract; `zone`: of times that name none."""

    mapping: Mapping[str, str] = field(default_factory=dict)
    format: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    columns: Sequence[str] = ()
    zone: tzinfo | None = None
    sql: str | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.mapping) - set(FIELDS))
        if unknown:
            raise WrongUse(f"--map {unknown[0]}: no such field; fields are {', '.join(FIELDS)}")
        if self.format is not None and self.format not in (*KINDS, *formats.BY_NAME):
            raise WrongUse(f"--format {self.format}: one of {', '.join((*KINDS, *formats.BY_NAME))}")
        if self.sql is not None and (self.mapping or self.format in formats.BY_NAME):
            raise WrongUse("--sql names the fields itself: leave out --map, and a --format that is not a kind of file")

    @property
    def kind(self) -> str | None:
        """Of file, where it is forced."""
        if self.format in formats.BY_NAME:
            return formats.BY_NAME[self.format].kind
        return self.format


def parse_mapping(pairs: Sequence[str]) -> dict[str, str]:
    """`field=path` each. Raises WrongUse."""
    mapping = {}
    for pair in pairs:
        name, found, path = pair.partition("=")
        if not found or not path:
            raise WrongUse(f"--map {pair!r}: write field=column, e.g. --map actor_id=user")
        mapping[name.strip()] = path
    return mapping


def parse_zone(name: str) -> tzinfo:
    """A zone of the IANA database, or an offset such as +02:00. Raises WrongUse."""
    if name.upper() in ("UTC", "Z"):
        return UTC
    if found := _OFFSET.fullmatch(name):
        sign, hours, minutes = found.groups()
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        if offset < timedelta(hours=24):
            return timezone(-offset if sign == "-" else offset)
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # KeyError: ZoneInfoNotFoundError
        raise WrongUse(f"--timezone {name!r}: no such zone; write UTC, Europe/Berlin or +02:00") from None


def parse_delimiter(text: str) -> str:
    """Raises WrongUse."""
    found = _NAMED_DELIMITERS.get(text.lower(), text)
    if len(found) != 1 or found in '"\r\n':
        raise WrongUse(f"--delimiter {text!r}: one character, or tab")
    return found
