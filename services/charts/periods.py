"""Hours, days and weeks of event time, in UTC; a week begins on Monday (ISO 8601)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, get_args

from shared.events import rfc3339
from shared.messages import ChartPeriod

Period = ChartPeriod
PERIODS: Final[tuple[Period, ...]] = get_args(Period)

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
WEEK_MS: Final = 7 * DAY_MS
LENGTH_MS: Final = (HOUR_MS, DAY_MS, WEEK_MS)
# 1970 began on a Thursday.
FIRST_MS: Final = (0, 0, 4 * DAY_MS)
# How long a period's charts are kept, from its end: two days of hours, five weeks of days, twelve weeks.
KEPT_MS: Final = (48 * HOUR_MS, 35 * DAY_MS, 12 * WEEK_MS)


def start_of(period: Period, at: int) -> int:
    """When the period began that a moment lies in; both in ms since epoch."""
    kind = PERIODS.index(period)
    return (at - FIRST_MS[kind]) // LENGTH_MS[kind] * LENGTH_MS[kind] + FIRST_MS[kind]


def end_of(period: Period, start: int) -> int:
    """The first moment after it, ms."""
    return start + LENGTH_MS[PERIODS.index(period)]


def name_of(period: Period, start: int) -> str:
    """As in ISO 8601: `2026-01-05T13`, `2026-01-05`, `2026-W02`."""
    if period != "week":
        return rfc3339(start)[: 13 if period == "hour" else 10]
    week = datetime.fromtimestamp(start / 1000, UTC).isocalendar()
    return f"{week.year}-W{week.week:02}"
