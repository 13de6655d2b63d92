"""What becomes of a message before its contract is asked, whatever event it holds: its value is opened, its envelopes
are taken off, and where it does not fit the reasons are said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from shared.contract.confluent import MAGIC, Reader, unframe
from shared.contract.envelopes import ENVELOPES, unwrap
from shared.contract.envelopes.envelope import Envelope
from shared.contract.times import LATEST_MS

FUTURE_TOLERANCE_MS: Final = 5 * 60 * 1000
# Of messages that no broker has given a time: a line of a file.
NO_RECEIPT: Final = LATEST_MS
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

M = TypeVar("M", bound=BaseModel)


class DoesNotFit(ValueError):
    """Why a message does not fit its contract, one entry an error."""

    def __init__(self, *errors: str) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


def event_of(value: bytes, readers: Mapping[int, Reader]) -> Any:
    """What a message's value holds: JSON, or what Confluent's serializers wrote. `readers` are those of a schema
    registry, by id. Raises DoesNotFit.
    """
    if value.startswith(MAGIC):
        try:
            return unframe(value, readers)
        except ValueError as error:
            raise DoesNotFit(f"message: {error}") from None
    try:
        return msgspec.json.decode(value.removeprefix(BYTE_ORDER_MARK))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DoesNotFit(f"message: not JSON: {error}") from None


def fields_of(
    event: Any, headers: Mapping[str, bytes], timestamp: int, envelopes: Sequence[Envelope] = ENVELOPES
) -> Any:
    """An event's fields inside any of these envelopes; where they say no time, that of receipt (ms). Raises DoesNotFit,
    and Ignored where it is about something else.
    """
    try:
        found = unwrap(event, headers, envelopes)
    except (ValueError, RecursionError) as error:
        raise DoesNotFit(f"envelope: {error}") from None
    if not found.receipt_is_the_time:
        return found.fields
    if timestamp >= NO_RECEIPT:
        raise DoesNotFit("occurred_at: it says no time itself, and a file has no time of receipt")
    return {**found.fields, "occurred_at": timestamp}


def validated(model: type[M], fields: Any) -> M:
    """As the contract has the last word on it. Raises DoesNotFit."""
    try:
        found = model.model_validate(fields)
    except ValidationError as error:
        raise DoesNotFit(*(_sentence(e) for e in error.errors(include_url=False, include_input=False))) from None
    try:
        found.model_dump_json()
    except ValueError:  # a lone surrogate such as "\ud800" is JSON but no text
        raise DoesNotFit("message: holds text that is not valid Unicode") from None
    return found


def require_in_time(occurred_at: int, timestamp: int) -> None:
    """Nothing lies in the future of its receipt, or one forged event would move the watermark and make everybody else
    late. Raises DoesNotFit.
    """
    if occurred_at > timestamp + FUTURE_TOLERANCE_MS:
        raise DoesNotFit("occurred_at: lies more than 5 minutes after the message was sent")


def _sentence(error: Any) -> str:
    """Of one of pydantic's errors: "field: reason"."""
    message = re.sub("^Value error, ", "", error["msg"])
    if not error["loc"] and error["type"] == "value_error":  # of several fields: it names them itself
        return message
    return f"{'.'.join(str(part) for part in error['loc']) or 'message'}: {message}"
