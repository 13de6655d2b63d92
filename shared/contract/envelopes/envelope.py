"""What every envelope offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any


class Ignored(Exception):
    """An event that is no like, among others of its source: no mistake, so it is counted and left out."""


@dataclass(frozen=True)
class Unwrapped:
    """Fields of an event. `receipt_is_the_time`: the envelope carries none, so the time of receipt counts."""

    fields: Any
    receipt_is_the_time: bool = False

    def filled(self, **fallback: Any) -> Unwrapped:
        """With these where a field is missing or null. Raises ValueError where the content is no object."""
        if not isinstance(self.fields, dict):
            raise ValueError("the envelope holds no JSON object")
        given = {name: value for name, value in self.fields.items() if value is not None}
        spare = {name: value for name, value in fallback.items() if value is not None}
        return replace(self, fields={**spare, **given})


Inner = Callable[[Any], Unwrapped]


@dataclass(frozen=True)
class Envelope:
    """`recognises` must be cheap and certain; `expand` gives the events of a batch, None where it is none."""

    name: str
    recognises: Callable[[Any, Mapping[str, bytes]], bool]
    unwrap: Callable[[Any, Mapping[str, bytes], Inner], Unwrapped]
    expand: Callable[[dict[str, Any]], list[Any] | None] | None = None


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is null."""
    return {name: value for name, value in fields.items() if value is not None}
