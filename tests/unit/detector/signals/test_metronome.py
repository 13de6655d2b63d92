from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.signals.metronome import GAPS, Metronome
from services.detector.signals.signal import Rows
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
    rows,
    together,
)


def machines(gap_ms: float, jitter: float, seed: int = 3, likes: int = 60) -> Rows:
    return of_actors(
        lambda _, rng: rng.integers(HOUR) + np.cumsum(gap_ms * rng.uniform(1 - jitter, 1 + jitter, likes)), 20, seed
    )


def sittings(seed: int, people: int = 100) -> Rows:
    """A sitting of ten likes at about the same hour of each of twelve days."""

    def times(_: int, rng: np.random.Generator) -> object:
        return np.concatenate(
            [day * DAY + rng.normal(20, 1) * HOUR + np.cumsum(rng.lognormal(10.3, 1.0, 10)) for day in range(12)]
        )

    return of_actors(times, people, seed, "person")


@pytest.mark.parametrize("gap_s", [10, 90, 600, 3600])
@pytest.mark.parametrize("jitter", [0.0, 0.05, 0.1])
def test_machines_are_found_soon_and_people_beside_them_are_not(gap_s: int, jitter: float) -> None:
    bots = machines(gap_s * 1000 + 1, jitter)
    found = in_batches(Metronome(), together(bots, sittings(1)), 50)
    assert found_actors(found, convicted=True) == set(bots.actor.tolist())
    for bot in found_actors(found):
        own = bots.occurred_at[bots.actor == np.uint64(bot)]
        assert found.first_at[found.actor == bot].min() <= own[0]
        assert found.last_at[found.actor == bot].max() == own[-1]
    early = in_batches(Metronome(), machines(gap_s * 1000 + 1, jitter, likes=25))
    assert found_actors(early) == set(bots.actor.tolist())


def test_pauses_at_night_hide_no_machine() -> None:
    shifts = of_actors(lambda *_: np.concatenate([d * DAY + np.arange(15) * 90_001 for d in range(4)]), 1, 1)
    assert found_actors(in_batches(Metronome(), shifts)) == set(shifts.actor.tolist())


@pytest.mark.parametrize("tick", [1, 1000, MINUTE, HOUR, DAY])
def test_a_coarse_clock_makes_no_machine_of_people(tick: int) -> None:
    """The shorter of these people's likes come twice an hour and more, all the same minutes apart when cut."""
    for stream in (
        sittings(2),
        of_actors(lambda _, rng: np.cumsum(rng.exponential(2 * MINUTE, 300)), 50, 4),
        of_actors(lambda _, rng: np.cumsum(rng.exponential(HOUR, 300)), 50, 5),
    ):
        cut = rows(stream.occurred_at // tick * tick, stream.actor)
        assert not len(in_batches(Metronome(), cut))


def test_a_like_at_each_breakfast_is_a_habit() -> None:
    habit = of_actors(lambda _, rng: np.arange(60) * DAY + rng.normal(0, 10 * MINUTE, 60) + HOUR, 30, 6)
    assert not len(in_batches(Metronome(), habit))


def test_below_eight_seconds_it_says_nothing() -> None:
    assert not len(in_batches(Metronome(), machines(6_001, 0.05)))


def test_who_is_a_person_again_is_no_longer_found() -> None:
    taken_over = of_actors(
        lambda _, rng: np.cumsum(
            np.concatenate([rng.lognormal(11, 1.2, 60), np.full(60, 90_001), rng.lognormal(11, 1.2, 60)])
        ),
        1,
        7,
    )
    found = in_batches(Metronome(), taken_over)
    own = taken_over.occurred_at
    assert own[60 - GAPS] <= found.first_at.min() <= own[60]
    assert own[119] <= found.last_at.max() < own[119 + GAPS]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), CUTS)
def test_batches_do_not_matter(seed: int, cuts: list[int]) -> None:
    """Here with machines that are close to the bar, and so pass it more than once."""
    near = of_actors(lambda _, rng: np.cumsum(90_000 * rng.uniform(0.78, 1.22, 200)), 10, seed)
    exact = machines(30_000, 0.02, seed)
    assert assert_batches_do_not_matter(Metronome, together(near, exact, calm(seed, 50, 3)), cuts)


def test_state_goes() -> None:
    signal, stream = Metronome(max_actors=500), calm(3)
    in_batches(signal, stream, 200)
    assert len(signal.table) <= 500 + 200
    assert_forgets(signal, int(stream.actor[-1]))
    signal.expire(int(stream.occurred_at[-1]) + 1)
    assert len(signal.table) == 0


def test_the_sentence_says_what_was_seen() -> None:
    found = in_batches(Metronome(), machines(90_001, 0.0))
    assert found.strength.max() == 2
    assert found.value.max() == pytest.approx(0)
    assert "0.9 bits" in Metronome.sentence(0.9, 3.0)


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is beside the project only where it is developed")
@pytest.mark.parametrize("tick", [1, MINUTE, HOUR, DAY])
def test_real_shares_hold_no_machine(tick: int) -> None:
    stream = real("coordinated_shares.csv.gz")
    assert not len(in_batches(Metronome(), rows(stream.occurred_at // tick * tick, stream.actor)))
