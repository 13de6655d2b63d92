from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.signals.rate import LEAST_BAR, MOST_BAR, Rate
from services.detector.signals.signal import Rows
from tests.actor_streams import (
    CUTS,
    HOUR,
    MINUTE,
    SHARED,
    assert_batches_do_not_matter,
    assert_forgets,
    calm,
    found_actors,
    ids,
    in_batches,
    of_actors,
    real,
    together,
)
from tests.likes import START_MS


def floods(likes: int, seed: int = 7, bots: int = 20, hours: float = 11.0) -> Rows:
    return of_actors(lambda _, rng: rng.uniform(0, hours * HOUR) + rng.uniform(0, HOUR, likes), bots, seed, "bot")


@pytest.mark.parametrize("likes", [200, 400, 800])
def test_a_flood_is_convicted_and_nobody_else(likes: int) -> None:
    stream = together(calm(1), floods(likes))
    found = in_batches(Rate(), stream)
    bots = set(ids(f"bot{n}" for n in range(20)).tolist())
    assert found_actors(found, convicted=True) == bots
    assert found.strength.min() >= 1
    assert (found.value > found.baseline).all()
    for bot in bots:
        mine, own = found.actor == bot, stream.occurred_at[stream.actor == np.uint64(bot)]
        assert found.first_at[mine].min() <= own[0]
        assert found.last_at[mine].max() >= np.quantile(own, 0.99)


HONEST = {
    "import": lambda _, rng: np.full(80, rng.uniform(0, 12 * HOUR)),
    "sync": lambda _, rng: rng.uniform(0, 12 * HOUR) + rng.uniform(0, 3_000, 200),
    "onboarding": lambda _, rng: rng.uniform(0, 12 * HOUR) + np.cumsum(rng.normal(2_000, 200, 12)),
    "like_keys": lambda _, rng: rng.uniform(0, 12 * HOUR) + rng.uniform(0, 4 * MINUTE, 40),
    "pages": lambda _, rng: rng.uniform(0, 12 * HOUR) + np.repeat(np.cumsum(rng.exponential(MINUTE, 40)), 6),
}


@pytest.mark.parametrize("kind", HONEST)
def test_people_who_look_hasty_are_not_found(kind: str) -> None:
    assert not len(in_batches(Rate(), together(calm(2), of_actors(HONEST[kind], 40, 3))))


def raters(seed: int, moments: int, people: int = 400, days: int = 30) -> Rows:
    """People who rate in long sittings."""
    return of_actors(
        lambda _, rng: rng.uniform(0, days * 24 * HOUR) + np.cumsum(rng.uniform(20_000, 40_000, moments)), people, seed
    )


def test_the_bar_follows_the_stream_within_bounds() -> None:
    signal = Rate()
    assert signal.bars[0] == MOST_BAR
    in_batches(signal, calm(4))
    assert signal.bars[0] == LEAST_BAR
    signal = Rate()
    assert not len(in_batches(signal, raters(5, 75)))
    assert 120 < signal.bars[0] <= MOST_BAR


def test_an_attack_does_not_lift_the_bar() -> None:
    """Half of all hours of actors are floods, and many of them cross an hour of the clock."""
    signal = Rate()
    found = in_batches(signal, together(calm(6, people=300), floods(500, bots=1000)))
    assert len(found_actors(found, convicted=True)) == 1000
    assert signal.bars[0] == LEAST_BAR


def test_who_liked_nearly_as_much_before_is_given_room() -> None:
    def sittings(*moments: int) -> Any:
        return lambda *_: np.concatenate(
            [day * 24 * HOUR + np.linspace(0, 0.9 * HOUR, count) for day, count in enumerate(moments)]
        )

    background = calm(8, people=20_000, hours=24 * 6)
    assert not len(in_batches(Rate(), together(background, of_actors(sittings(85, 85, 85, 85, 110), 1, 1))))
    assert len(in_batches(Rate(), together(background, of_actors(sittings(5, 5, 5, 5, 110), 1, 1))))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), CUTS)
def test_batches_do_not_matter(seed: int, cuts: list[int]) -> None:
    """Here with floods that end and come again, and a bar that moves."""
    again = of_actors(
        lambda _, rng: np.concatenate([start * HOUR + rng.uniform(0, HOUR, 180) for start in (0.3, 1.6, 3.1)]), 6, seed
    )
    stream = together(calm(seed, people=300, hours=5), again)
    assert assert_batches_do_not_matter(Rate, stream, cuts)


def test_late_likes_are_counted_in_the_present_hour() -> None:
    signal = Rate()
    stream = calm(9)
    half = stream.take(stream.occurred_at >= START_MS + 6 * HOUR)
    in_batches(signal, half)
    in_batches(signal, stream.take(stream.occurred_at < START_MS + 6 * HOUR))
    assert (signal.recent >= 0).all()
    assert signal.hour == int(half.occurred_at[-1]) // HOUR


def test_state_is_bounded_and_goes() -> None:
    signal = Rate(max_actors=500)
    stream = calm(10)
    in_batches(signal, stream, 200)
    assert len(signal.table) <= 500 + 200
    assert_forgets(signal, int(stream.actor[-1]))
    signal.expire(int(stream.occurred_at[-1]) + 1)
    assert len(signal.table) == 0


def test_the_sentence_says_what_was_seen() -> None:
    assert "174 different moments" in Rate.sentence(174.0, 60.0)
    assert "60" in Rate.sentence(174.0, 60.0)


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is beside the project only where it is developed")
def test_real_shares_hold_no_flood_but_those_laid_over_them() -> None:
    stream = real("coordinated_shares.csv.gz")
    assert not len(in_batches(Rate(), stream))
    flood = of_actors(lambda *_: np.linspace(0, HOUR, 200), 1, 1, "bot")
    within = replace(flood, occurred_at=flood.occurred_at - START_MS + stream.occurred_at[len(stream) // 2])
    found = in_batches(Rate(), together(stream, within))
    assert found_actors(found, convicted=True) == {int(flood.actor[0])}
