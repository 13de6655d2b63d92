"""Ids as text: what they may be in a source, and the one way in which they become text.

| given as | becomes |
|---|---|
| text | itself: "007", "NA" and "null" are ids |
| an integer, or a number that is one (7.0, as columns with gaps have them) | its decimal digits |
| a UUID | its canonical text, lower case |
| bytes | the text that they are in UTF-8, without control characters; else their hexadecimal digits, lower case |

Anything else (nothing, NaN, true, 1.5, a list, an object) is refused with the reason.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

MOST_BYTES: Final = 512
# Above this a floating-point number may stand for several integers.
_EXACT: Final = 2**53


def text_of(value: Any) -> str:
    """The id as text, 1 to MOST_BYTES bytes in UTF-8. Raises ValueError with the reason, as pydantic expects."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no id")
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, float | Decimal):
        text = _of_number(value)
    elif isinstance(value, UUID):
        text = str(value)
    elif isinstance(value, bytes):
        text = _of_bytes(value)
    else:
        raise ValueError(f"{_named(value)} is no id: ids are text, integers, UUIDs or bytes")
    return _bounded(text)


def _of_number(value: float | Decimal) -> str:
    if value != value:
        raise ValueError("NaN is no id")
    if isinstance(value, float) and not -_EXACT <= value <= _EXACT:
        raise ValueError(f"{value} is no id: digits of so large a number are lost, write it as text or as an integer")
    if not -(10**64) < value < 10**64 or value != int(value):
        raise ValueError(f"{value} is no id: it is not a whole number")
    return str(int(value))


def _of_bytes(value: bytes) -> str:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()


def _named(value: Any) -> str:
    if value is None:
        return "nothing (null)"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return f"a value of type {type(value).__name__}"


def _bounded(text: str) -> str:
    if not text:
        raise ValueError("an id has at least 1 character")
    if len(text) > MOST_BYTES // 4 and (size := len(text.encode("utf-8", "surrogatepass"))) > MOST_BYTES:
        raise ValueError(f"an id has at most {MOST_BYTES} bytes in UTF-8, this one {size}")
    if "\0" in text:
        raise ValueError("an id cannot hold the character NUL")
    return text
