"""Periods: against the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.charts.periods import PERIODS, end_of, name_of, start_of


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_periods_begin_where_the_calendar_says(moment: datetime) -> None:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    monday = day - timedelta(days=day.weekday())
    at = int(moment.timestamp() * 1000)
    assert [start_of(period, at) for period in PERIODS] == [ms(hour), ms(day), ms(monday)]
    assert all(start_of(p, at) <= at < end_of(p, start_of(p, at)) for p in PERIODS)
    assert name_of("week", ms(monday)) == moment.strftime("%G-W%V")
    assert name_of("day", ms(day)) == moment.strftime("%Y-%m-%d")
    assert name_of("hour", ms(hour)) == moment.strftime("%Y-%m-%dT%H")
