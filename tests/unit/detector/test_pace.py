from __future__ import annotations

from itertools import pairwise

from services.detector.pace import PACE_MS, TICK_MS, Pace
from shared.frames import NO_CLOCK

START_MS = 1_767_225_600_000
HOUR_MS = 3_600_000


def told(speed: float, seconds: float, every_ms: int = 50) -> list[int]:
    """Event times told while so much time passes by the clock, event time `speed` times as fast, from START_MS on."""
    pace, found = Pace(), []
    for clock_ms in range(0, round(seconds * 1000), every_ms):
        at = pace.next(START_MS + round(clock_ms * speed), START_MS + clock_ms)
        if at is not None:
            pace.told(at, START_MS + clock_ms)
            found.append(at - START_MS)
    return found


def test_as_fast_as_the_clock_it_is_told_each_half_minute() -> None:
    assert told(1, 150) == [0, 30_000, 60_000, 90_000, 120_000]


def test_faster_it_is_told_no_more_often_than_the_pace_and_of_round_moments() -> None:
    found = told(400, 60)
    assert len(found) <= 60_000 / PACE_MS
    # 200 s pass from one telling to the next.
    assert all(at % (4 * TICK_MS) == 0 for at in found[2:])
    assert all(late - early <= 8 * TICK_MS for early, late in pairwise(found))


def test_it_always_goes_on_and_never_beyond_what_event_time_has_passed() -> None:
    for speed in (0.5, 3, 59, 61, 1000, 50_000, 3e6):
        found = told(speed, 60)
        assert all(late > early for early, late in pairwise(found)), speed
        assert 0 <= 60_000 * speed - found[-1] <= max(HOUR_MS, 2 * TICK_MS) + PACE_MS * 2 * speed, speed


def test_without_a_clock_each_half_minute_is_told_at_once() -> None:
    pace = Pace()
    for now in (START_MS + 1, START_MS + 30_001, START_MS + 10 * HOUR_MS):
        assert pace.next(now, NO_CLOCK) == now
        pace.told(now, NO_CLOCK)
        assert pace.next(now + 10_000, NO_CLOCK) is None


def test_a_clock_that_is_set_back_stops_nothing() -> None:
    pace = Pace()
    pace.told(START_MS, START_MS + HOUR_MS)
    assert pace.next(START_MS + 2 * TICK_MS, START_MS) == START_MS + 2 * TICK_MS
