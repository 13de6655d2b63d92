"""Moments as people and systems really write them, as milliseconds since the epoch.

Sources: RFC 3339 with what is seen in the wild (lower-case t and z, a space for the T, offsets without a colon, any
number of decimals, a leap second), and numbers since 1970 in seconds, milliseconds, microseconds or nanoseconds. The
unit of a number follows from its size: each range below reaches from 1973 to 5138, and 1970 is never meant.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Final

# A number below is one of seconds; and who writes a moment of 1970 means that there is none.
EARLIEST_MS: Final = 10**11  # 1973-03-03
LATEST_MS: Final = 7_258_118_400_000  # 2200-01-01


# From this size on a number is in the unit named, of which so many are a millisecond.
_UNITS: Final = (
    (10**17, "nanoseconds", 1_000_000),
    (10**14, "microseconds", 1_000),
    (EARLIEST_MS, "milliseconds", 1),
)
_EARLIEST_SECONDS: Final = 10**8
_TOO_LARGE: Final = 10**20

_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d*)?")
_SCIENTIFIC: Final = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")
_TEXT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ]+(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)? ?(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
# A number's unit, or how a text or a column's own type is named in a summary.
TEXT, TYPED = "RFC 3339", "timestamps"


class NotATime(ValueError):
    """Why a value is no moment."""


def epoch_ms(value: Any) -> int:
    """Milliseconds since the epoch. Raises NotATime with the reason, as pydantic expects of a validator."""
    # Most are one of these two.
    if type(value) is int:
        if EARLIEST_MS <= value < LATEST_MS:
            return value
    elif type(value) is str and value[4:5] == "-" and value.endswith("Z"):
        try:
            ms = round(datetime.fromisoformat(value).timestamp() * 1000)
        except (ValueError, OverflowError):
            ms = -1
        if EARLIEST_MS <= ms < LATEST_MS:
            return ms
    return read_time(value)[0]


def read_time(value: Any, zone: tzinfo | None = None) -> tuple[int, str]:
    """Milliseconds since the epoch, and the form they came in: a unit, TEXT or TYPED.

    `zone` is where clocks showed a time that does not say so itself; without one such a time is refused. A date
    stands for its first moment, in UTC unless `zone` says otherwise. Raises NotATime.
    """
    if isinstance(value, str):
        ms, form = _of_text(value.strip(), zone)
    elif isinstance(value, datetime):
        ms, form = _of_moment(value, zone), TYPED
    elif isinstance(value, date):
        ms, form = _of_moment(datetime(value.year, value.month, value.day, tzinfo=zone or UTC), zone), TYPED
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        ms, form = _of_number(value)
    else:
        raise NotATime("expected RFC 3339 text, or a number of seconds, ms, µs or ns since 1970")
    if not EARLIEST_MS <= ms < LATEST_MS:
        raise NotATime("a time must lie between 1973 and 2200")
    return ms, form


def _of_text(text: str, zone: tzinfo | None) -> tuple[int, str]:
    if text[4:5] != "-" and _NUMBER.fullmatch(text):
        return _of_number(int(text) if text.lstrip("+-").isdecimal() else Decimal(text))
    if _SCIENTIFIC.fullmatch(text):
        raise NotATime(f"{text[:40]!r} is in scientific notation, which drops digits of a time: write it out")
    try:
        moment = datetime.fromisoformat(text) if len(text) > 10 else None
    except ValueError:
        moment = None
    return _of_moment(moment or _of_relaxed_text(text, zone), zone), TEXT


def _of_relaxed_text(text: str, zone: tzinfo | None) -> datetime:
    found = _TEXT.fullmatch(text)
    if found is None:
        raise NotATime(f"not an RFC 3339 time: {text[:40]!r}")
    day, hour, minute, second, decimals, offset = found.groups()
    leap = second == "60"
    written = f"{day}T{hour or '00'}:{minute or '00'}:{'59' if leap else second or '00'}"
    if offset in ("Z", "z", "UTC", "GMT"):
        offset = "+00:00"
    try:
        moment = datetime.fromisoformat(f"{written}.{(decimals or '0')[:6]:0<6}{offset or ''}")
    except ValueError:
        raise NotATime(f"not an RFC 3339 time: {text[:40]!r}") from None
    if hour is None:
        moment = moment.replace(tzinfo=zone or UTC)
    return moment + timedelta(seconds=1) if leap else moment


def _of_moment(moment: datetime, zone: tzinfo | None) -> int:
    if moment.tzinfo is None:
        if zone is None:
            written = f"write {moment.isoformat()}Z for UTC"
            raise NotATime(f"a time needs a zone: {written}, or say where its clock stood (--timezone)")
        moment = moment.replace(tzinfo=zone)
    try:
        return math.floor(moment.timestamp() * 1000 + 0.5)
    except (OverflowError, ValueError):
        raise NotATime("a time must lie between 1973 and 2200") from None


def _of_number(number: int | float | Decimal) -> tuple[int, str]:
    if not isinstance(number, int) and not math.isfinite(number):
        raise NotATime("a number that is not finite is no time")
    if not _EARLIEST_SECONDS <= number < _TOO_LARGE:
        raise NotATime(
            f"{str(number)[:24]} is no time since 1970: a number counts seconds, ms, µs or ns and lies after 1973"
        )
    for least, unit, of_a_ms in _UNITS:
        if number >= least:
            return int(number // of_a_ms), unit
    return round(number * 1000), "seconds"
