from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.detector.signals.ring import BAR, Ring
from services.detector.signals.signal import Findings
from tests.signal_rows import CUTS, Likes, ids, named, observed, platform, said_of, whatever_the_batches


def in_turns(names: list[str], works: int, rng: np.random.Generator, hours: float = 70.0) -> Likes:
    """Each likes so many works of each other one."""
    rows = [(a, f"{b}-work{w}", b) for a, b in permutations(names, 2) for w in range(works)]
    who, what, whose = (np.array(x, object) for x in zip(*rows, strict=True))
    return Likes.of(rng.uniform(0, hours, len(rows)), who, what, whose)


def found_in(likes: Likes) -> Findings:
    return observed(Ring(), likes.rows())


@pytest.mark.parametrize("seed", [1, 2])
def test_creators_who_like_each_other_in_turns_are_suspect(seed: int) -> None:
    crew = named("crew", 12).tolist()
    found = found_in(platform(seed, likes=20_000) + in_turns(crew, 4, np.random.default_rng(seed)))
    assert said_of(found, crew) == 1
    assert set(found.actor.tolist()) == set(ids(crew).tolist())
    assert not found.convicts.any()
    assert found.strength.max() <= 1.2
    assert found.value.max() <= 4
    # Whoever reads can count an actor's pairs: each has a first like of its own.
    assert len(np.unique(found.first_at)) > 50


def honest(kind: str, rng: np.random.Generator) -> Likes:
    people = np.array([f"person{i}" for i in range(1500)], object)
    if kind == "fan who is liked back":
        fans = Likes.of(rng.uniform(0, 60, 200), "fan", named("work", 200), "star")
        return fans + Likes.of(np.array([61.0]), "star", "fan-work", "fan")
    if kind == "fan club":
        who = np.tile(people[:25], 10)
        times = 30 + np.repeat(np.arange(10) * 4, 25) + rng.uniform(0, 2, 250)
        return Likes.of(times, who, np.repeat(named("post", 10), 25), "star")
    if kind == "album":
        who = np.repeat(people[:150], 12)
        return Likes.of(50 + rng.uniform(0, 5, len(who)), who, np.tile(named("track", 12), 150), "band")
    if kind == "flash crowd":
        return Likes.of(50 + rng.exponential(0.5, 400), people[:400], "news", "paper")
    if kind == "premiere":
        return Likes.of(50 + rng.uniform(0, 0.05, 300), people[:300], "film", "studio")
    if kind == "offline sync":
        who = np.repeat(named("phone", 40), 60)
        makers = np.array([f"maker{i}" for i in rng.integers(0, 400, len(who))], object)
        return Likes.of(50 + rng.uniform(0, 0.001, len(who)), who, makers + "-work", makers)
    if kind == "office":
        staff = people[:60]
        return Likes.of(rng.uniform(0, 60, 240), np.repeat(staff, 4), np.tile(named("post", 4), 60), "firm")
    # Two stars whom everybody likes, and who like everything.
    stars = ["star", "idol"]
    loved = Likes.of(
        rng.uniform(0, 60, 6000), rng.choice(people, 6000), np.repeat(["a", "b"], 3000), np.repeat(stars, 3000)
    )
    busy = Likes.of(
        rng.uniform(0, 60, 600),
        np.repeat(stars, 300),
        np.array([f"item{i}" for i in rng.integers(0, 2000, 600)], object),
        "anyone",
    )
    return loved + busy + in_turns(stars, 4, rng, 60.0)


KINDS = ["fan who is liked back", "fan club", "album", "flash crowd", "premiere", "offline sync", "office", "two stars"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_honest_crowds_are_no_ring(kind: str, seed: int) -> None:
    assert not len(found_in(platform(seed) + honest(kind, np.random.default_rng(seed))))


def test_two_who_like_each_others_work_once_or_twice_are_no_ring() -> None:
    assert not len(found_in(platform(1) + in_turns(named("crew", 12).tolist(), 2, np.random.default_rng(1))))


def test_a_work_counts_once_however_often_it_is_liked() -> None:
    crew = in_turns(["ann", "ben"], 1, np.random.default_rng(1))
    again = crew
    for _ in range(8):
        again = again + in_turns(["ann", "ben"], 1, np.random.default_rng(1))
    assert not len(found_in(platform(1) + again))


def test_where_many_like_each_other_that_is_usual() -> None:
    rng = np.random.default_rng(4)
    friends = [in_turns([f"friend{i}", f"friend{i + 1}"], 5, rng, 24.0 * 10) for i in range(0, 600, 2)]
    signal = Ring()
    found = observed(signal, sum(friends, platform(4, likes=6000, hours=24.0 * 10)).rows())
    assert signal.facts[0] > BAR
    few = observed(Ring(), sum(friends[:5], platform(4, likes=6000, hours=24.0 * 10)).rows())
    assert said_of(few, named("friend", 10)) == 1
    assert said_of(found, named("friend", 600)) < 0.5


@given(st.lists(st.tuples(st.integers(0, 90), *[st.integers(0, 3)] * 3), max_size=150), CUTS)
@example([(h, h % 2, 1 - h % 2, h // 20) for h in range(80)], [5, 20, 60])
@settings(deadline=None, max_examples=40)
def test_batches_do_not_matter(rows: list[tuple[int, int, int, int]], cuts: list[int]) -> None:
    at, a, b, w = (list(x) for x in zip(*rows, strict=True)) if rows else ([], [], [], [])
    mine = [np.array([f"a{x}" for x in a], object), np.array([f"a{x}-{y}" for x, y in zip(b, w, strict=True)], object)]
    likes = platform(9, people=50, likes=200) + Likes.of(
        np.array(at, float), *mine, np.array([f"a{x}" for x in b], object)
    )
    whatever_the_batches(Ring, likes.rows(), cuts)


def test_batches_do_not_matter_to_a_ring() -> None:
    rows = (platform(1, likes=3000) + in_turns(named("crew", 8).tolist(), 4, np.random.default_rng(1))).rows()
    assert len(whatever_the_batches(Ring, rows, list(range(0, len(rows), 97))))


def test_forgotten_actors_leave_no_trace_and_what_is_old_goes() -> None:
    crew, signal = named("crew", 8), Ring()
    observed(signal, in_turns(crew.tolist(), 4, np.random.default_rng(1)).rows())
    gone = ids(crew)
    assert np.isin(gone, signal.snapshot()["pairs.low"]).any()
    signal.forget(gone)
    assert not any(np.isin(gone, a).any() for a in signal.snapshot().values() if a.dtype == np.uint64)
    observed(signal, platform(1).rows())
    signal.expire(1 << 60)
    assert len(signal.pairs) == len(signal.creators) == 0


def test_it_is_bounded() -> None:
    signal = Ring(max_rows=1000)
    observed(signal, platform(1).rows(), 200)
    assert len(signal.pairs) <= 1200
    assert signal.pairs.evicted > 0


def test_unlikes_and_likes_of_ones_own_work_are_left_out() -> None:
    rows = in_turns(named("crew", 8).tolist(), 4, np.random.default_rng(1)).rows()
    assert not len(observed(Ring(), replace(rows, unlike=np.ones(len(rows), np.bool_))))
    assert not len(observed(Ring(), replace(rows, creator=rows.actor)))


def test_what_a_moderator_reads() -> None:
    assert Ring.sentence(4, 0.05) == (
        "Liked another creator's works and was liked back, 4 works each way, where chance would give 0.05."
    )
