"""A figure as it is published: with n, interval, window, policy and what is not known, or why it is not identified."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from shared.measures.confidence import LEVEL, Interval

# Of fewer nothing is said: it could be told whose it is.
LEAST_PEOPLE: Final = 20
# Why there is nothing of slates that are younger than the attribution window.
NOT_MATURED: Final = "all that was shown is of the last 24 hours: likes of it may still come"


@dataclass(frozen=True)
class Figure:
    """`about`: of what (policy, surface, rank). `low` and `high` hold at every look with probability `level`, or are
    bounds (`level` 1.0) where what is unknown could be either. `why`: the reason where it is not identified.
    """

    name: str
    about: dict[str, Any]
    n: int
    sentence: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float = LEVEL
    unknown_share: float = 0.0
    why: str | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def identified(self) -> bool:
        return self.why is None

    def described(self, window: tuple[int, int]) -> dict[str, Any]:
        """For a report; `window`: first and last moment of what it was measured on, ms."""
        return {
            "figure": self.name,
            **self.about,
            "identified": self.identified,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "n": self.n,
            "unknown_share": self.unknown_share,
            "first_at": window[0],
            "last_at": window[1],
            "why": self.why,
            "sentence": self.sentence,
            **self.more,
        }


def measured(name: str, about: dict[str, Any], n: int, found: Interval, sentence: str, **more: Any) -> Figure:
    return Figure(name, about, n, sentence, found.value, found.low, found.high, **more)


def not_identified(name: str, about: dict[str, Any], n: int, why: str) -> Figure:
    """`why`: a sentence without its full stop."""
    return Figure(name, about, n, f"Not identified: {why}.", why=why)


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def between(low: str, high: str) -> str:
    """Two bounds in words, as they are written; one where nobody could tell them apart."""
    return low if low == high else f"between {low} and {high}"
