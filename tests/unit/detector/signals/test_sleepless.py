from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.signals.signal import Rows
from services.detector.signals.sleepless import AWAKE, BAR, Sleepless
from tests.actor_streams import (
    CUTS,
    DAY,
    HOUR,
    MINUTE,
    SHARED,
    assert_batches_do_not_matter,
    assert_forgets,
    calm,
    found_actors,
    in_batches,
    of_actors,
    real,
    together,
)


def awake(hours_a_day: float, days: int = 7, people: int = 20, a_hour: float = 6.0, seed: int = 1) -> Rows:
    def times(_: int, rng: np.random.Generator) -> object:
        count = int(hours_a_day * a_hour)
        return np.concatenate([day * DAY + rng.uniform(0, hours_a_day * HOUR, count) for day in range(days)])

    return of_actors(times, people, seed, "bot")


def test_who_never_sleeps_is_convicted() -> None:
    bots = awake(24)
    found = in_batches(Sleepless(), together(calm(1, hours=7 * 24), bots), 500)
    assert found_actors(found, convicted=True) == set(bots.actor.tolist())
    assert found.strength.min() >= 1
    assert (found.first_at <= bots.occurred_at.min()).any()
    assert found.last_at.max() == bots.occurred_at.max()


@pytest.mark.parametrize("hours", [8, 16, 19])
def test_who_sleeps_five_hours_is_not_found_however_busy(hours: int) -> None:
    assert not len(in_batches(Sleepless(), awake(hours, a_hour=30.0)))


def test_two_days_without_sleep_are_not_enough() -> None:
    assert not len(in_batches(Sleepless(), awake(24, days=2)))


def test_the_bar_is_sixty_hours() -> None:
    def hours(count: int) -> Rows:
        return of_actors(lambda *_: np.arange(count) * HOUR + 5 * MINUTE, 1, 1)

    assert not len(in_batches(Sleepless(), hours(BAR - 1)))
    found = in_batches(Sleepless(), hours(BAR))
    assert (found.value.tolist(), found.strength.tolist(), found.baseline.tolist()) == ([BAR], [1.0], [AWAKE])
    assert in_batches(Sleepless(), hours(200)).value.tolist() == [72]
    assert "70 of 72 hours" in Sleepless.sentence(70.0, 48.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), CUTS)
def test_batches_do_not_matter(seed: int, cuts: list[int]) -> None:
    """Here with actors close to the bar, who pass it more than once."""
    near = of_actors(lambda _, rng: np.cumsum(rng.exponential(HOUR / 1.7, 400)), 5, seed)
    assert assert_batches_do_not_matter(Sleepless, together(near, awake(24, people=2, seed=seed)), cuts)


def test_state_goes() -> None:
    signal, stream = Sleepless(max_actors=500), calm(3)
    in_batches(signal, stream, 200)
    assert len(signal.table) <= 500 + 200
    assert_forgets(signal, int(stream.actor[-1]))
    signal.expire(int(stream.occurred_at[-1]) + 1)
    assert len(signal.table) == 0


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is beside the project only where it is developed")
def test_everybody_in_real_shares_sleeps() -> None:
    assert not len(in_batches(Sleepless(), real("coordinated_shares.csv.gz")))
