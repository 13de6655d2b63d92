from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.signals.haste import Haste
from tests.actor_streams import (
    CUTS,
    HOUR,
    MINUTE,
    assert_batches_do_not_matter,
    assert_forgets,
    calm,
    found_actors,
    in_batches,
    of_actors,
    together,
)

FAST = {
    "stamped with one second": lambda _, rng: np.full(80, rng.integers(12 * HOUR)),
    "sent within three seconds": lambda _, rng: rng.integers(12 * HOUR) + rng.integers(0, 3_000, 200),
    "a like each second for a minute": lambda _, rng: rng.integers(12 * HOUR) + np.arange(60) * 1_000,
}
SLOW = {
    "onboarding": lambda _, rng: rng.integers(12 * HOUR) + np.arange(12) * 2_000,
    "like keys": lambda _, rng: rng.integers(12 * HOUR) + rng.integers(0, 4 * MINUTE, 40),
    "a page at once": lambda _, rng: rng.integers(12 * HOUR) + np.repeat(np.arange(5) * MINUTE, 10),
    "cut to the minute": lambda _, rng: np.repeat(rng.integers(12 * 60, size=5) * MINUTE, 25) // MINUTE * MINUTE,
    "cut to the day": lambda *_: np.zeros(60),
}


@pytest.mark.parametrize("kind", FAST)
def test_a_pace_beyond_a_thumb_is_found_and_convicts_nobody(kind: str) -> None:
    hasty = of_actors(FAST[kind], 20, 1, "hasty")
    found = in_batches(Haste(), together(calm(1), hasty), 100)
    assert found_actors(found) == set(hasty.actor.tolist())
    assert not found.convicts.any()
    assert found.strength.min() >= 1
    for actor in set(hasty.actor.tolist()):
        mine, own = found.actor == actor, hasty.occurred_at[hasty.actor == np.uint64(actor)]
        assert (found.first_at[mine].min(), found.last_at[mine].max()) == (own[0], own[-1])


@pytest.mark.parametrize("kind", SLOW)
def test_what_a_thumb_or_a_coarse_clock_explains_is_not(kind: str) -> None:
    assert not len(in_batches(Haste(), together(calm(2), of_actors(SLOW[kind], 40, 2))))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), CUTS)
def test_batches_do_not_matter(seed: int, cuts: list[int]) -> None:
    bursts = of_actors(lambda _, rng: np.repeat(rng.integers(HOUR, size=30), rng.integers(1, 40, 30)), 5, seed)
    assert assert_batches_do_not_matter(Haste, together(calm(seed, 100, 1), bursts), cuts)


def test_value_and_baseline_are_likes_of_the_stretch() -> None:
    found = in_batches(Haste(), of_actors(lambda *_: np.arange(100) * 100 + 7, 1, 1))
    assert found.value.tolist() == [100]
    # Ten seconds at half a like a second, and the one in hand.
    assert found.baseline[0] == pytest.approx(5.95)
    assert "100 likes" in Haste.sentence(100.0, 5.95)


def test_state_goes() -> None:
    signal, stream = Haste(max_actors=500), calm(3)
    in_batches(signal, stream, 200)
    assert len(signal.table) <= 500 + 200
    assert_forgets(signal, int(stream.actor[-1]))
    signal.expire(int(stream.occurred_at[-1]) + 1)
    assert len(signal.table) == 0
