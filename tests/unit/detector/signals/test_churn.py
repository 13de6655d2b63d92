from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.signals.churn import Churn
from services.detector.signals.signal import Rows
from tests.actor_streams import (
    CUTS,
    DAY,
    HOUR,
    MINUTE,
    assert_batches_do_not_matter,
    assert_forgets,
    calm,
    found_actors,
    ids,
    in_batches,
    rows,
)
from tests.likes import START_MS

Event = tuple[float, str, str, bool]


def stream(events: Iterable[Event]) -> Rows:
    """(ms after START_MS, actor, target, unlike)."""
    at, actors, targets, unlike = zip(*events, strict=True)
    return rows(START_MS + np.array(at), ids(actors), ids(targets), unlike)


def turns(actor: str, target: str, times: Iterable[float]) -> list[Event]:
    """A like at the first of these times, an unlike at the next, and so on."""
    return [(at, actor, target, bool(turn % 2)) for turn, at in enumerate(times)]


def test_likes_given_again_all_day_convict() -> None:
    one = turns("one target", "song", np.arange(60) * 10 * MINUTE)
    many = [e for n in range(30) for e in turns("many targets", f"song{n}", n * 20 * MINUTE + np.arange(3) * MINUTE)]
    found = in_batches(Churn(), stream(one + many), 7)
    assert found_actors(found, convicted=True) == set(ids(["one target", "many targets"]).tolist())
    assert found.value.max() == 30
    assert found.strength.max() == pytest.approx(3)


def test_fewer_are_suspect() -> None:
    found = in_batches(Churn(), stream(turns("ann", "song", np.arange(25) * 10 * MINUTE)))
    assert found.value.tolist() == [12]
    assert not found.convicts.any()


PEOPLE = {
    "a change of mind now and then": [
        e for d in range(10) for e in turns("ann", f"song{d}", d * DAY + np.arange(5) * HOUR)
    ],
    "double taps": [e for n in range(200) for e in turns("ann", f"song{n}", n * MINUTE + np.arange(3) * 400)],
    "a child with a heart for a minute": turns("ann", "song", np.arange(120) * 500),
    "a list put in again, three times": [
        e
        for n in range(100)
        for e in turns("ann", f"song{n}", np.repeat(np.arange(4) * HOUR, 2)[:7] + np.arange(7) + n)
    ],
    "unlikes only": [(n * MINUTE, "ann", f"song{n}", True) for n in range(200)],
    "likes only": [(n * MINUTE, "ann", "song", False) for n in range(200)],
}


@pytest.mark.parametrize("kind", PEOPLE)
def test_people_who_take_likes_back_are_not_found(kind: str) -> None:
    assert not len(in_batches(Churn(), stream(PEOPLE[kind])))


def test_a_machine_that_flips_one_like_fast_and_long_is_found() -> None:
    found = in_batches(Churn(), stream(turns("bot", "song", np.arange(1200) * 500)))
    assert found_actors(found, convicted=True) == set(ids(["bot"]).tolist())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), CUTS)
def test_batches_do_not_matter(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    events = [
        (float(at), f"actor{rng.integers(3)}", f"song{rng.integers(4)}", bool(rng.integers(2)))
        for at in np.cumsum(rng.exponential(7 * MINUTE, 700)).astype(int)
    ]
    assert assert_batches_do_not_matter(Churn, stream(events), cuts)


def test_streams_without_unlikes_cost_no_state() -> None:
    signal = Churn()
    in_batches(signal, calm(1))
    assert (len(signal.table), len(signal.pairs)) == (0, 0)


def test_state_is_bounded_and_goes() -> None:
    signal = Churn(max_actors=100)
    events = [e for n in range(400) for e in turns(f"actor{n}", "song", n * MINUTE + np.arange(5) * MINUTE)]
    in_batches(signal, stream(events), 50)
    assert len(signal.table) <= 100
    assert len(signal.pairs) <= 100
    assert_forgets(signal, int(ids(["actor399"])[0]))
    signal.expire(START_MS + DAY)
    assert (len(signal.table), len(signal.pairs)) == (0, 0)


def test_the_sentence_says_what_was_seen() -> None:
    assert "at 30 different moments" in Churn.sentence(30.0, 1.0)
