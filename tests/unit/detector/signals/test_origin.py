from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.detector.signals.origin import DAY_MS, Origin
from services.detector.signals.signal import Findings
from tests.signal_rows import CUTS, Likes, ids, named, observed, platform, said_of, whatever_the_batches


def farm(seed: int, accounts: int = 40, hiding: int = 8, begin: float = 50.0, creator: str = "") -> Likes:
    """Each likes four pushed things within a day, and more that anyone likes."""
    rng = np.random.default_rng(seed)
    who = np.repeat(named("farm", accounts), 4)
    pushed = Likes.of(
        begin + rng.uniform(0, 20, len(who)), who, np.tile(named("pushed", 4), accounts), creator, "one address"
    )
    hidden = np.repeat(named("farm", accounts), hiding)
    what = np.array([f"item{i}" for i in rng.integers(0, 2000, len(hidden))], object)
    return pushed + Likes.of(begin + rng.uniform(0, 20, len(hidden)), hidden, what, "", "one address")


def found_in(likes: Likes) -> Findings:
    return observed(Origin(), likes.rows())


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("begin", [48.0, 50.0, 62.0])
def test_a_farm_behind_one_address_is_convicted_on_what_it_pushes(seed: int, begin: float) -> None:
    likes = farm(seed, begin=begin)
    found = found_in(platform(seed, hours=120.0) + likes)
    assert said_of(found, likes.actor, convicts=True) == 1
    assert set(found.actor.tolist()) == set(ids(likes.actor).tolist())
    assert set(found.target.tolist()) == set(ids(named("pushed", 4)).tolist())
    assert found.value.max() == 40 > 10 * found.baseline.max()


def test_a_small_farm_is_suspect() -> None:
    likes = farm(1, accounts=14)
    found = found_in(platform(1) + likes)
    assert said_of(found, likes.actor) == 1
    assert not found.convicts.any()


def honest(kind: str, rng: np.random.Generator) -> Likes:
    members = np.array([f"person{i}" for i in rng.permutation(1500)], object)
    famous = (np.arange(1, 2001) ** -0.8) / (np.arange(1, 2001) ** -0.8).sum()

    def usual(n: int) -> np.ndarray:
        return np.array([f"item{i}" for i in rng.choice(2000, n, p=famous)], object)

    if kind == "office":
        return Likes.of(30 + rng.uniform(0, 40, 1200), rng.choice(members[:100], 1200), usual(1200), "", "office")
    if kind == "carrier":
        return Likes.of(30 + rng.uniform(0, 40, 6000), rng.choice(members[:800], 6000), usual(6000), "", "carrier")
    if kind == "posts of one's firm":
        who = np.repeat(members[:60], 4)
        return Likes.of(50 + rng.uniform(0, 8, 240), who, np.tile(named("post", 4), 60), "firm", "office") + honest(
            "office", rng
        )
    if kind == "flash crowd":
        return Likes.of(50 + rng.exponential(0.5, 400), members[:400], "news", "", members[:400])
    if kind == "premiere":
        return Likes.of(50 + rng.uniform(0, 0.05, 300), members[:300], "film", "", "cinema")
    if kind == "album":
        who = np.repeat(members[:150], 12)
        return Likes.of(50 + rng.uniform(0, 5, len(who)), who, np.tile(named("track", 12), 150), "band", "festival")
    if kind == "fan club":
        who = np.tile(members[:25], 10)
        times = 30 + np.repeat(np.arange(10) * 4, 25) + rng.uniform(0, 2, 250)
        return Likes.of(times, who, np.repeat(named("post", 10), 25), "star", "club")
    phones = np.repeat(named("phone", 40), 60)
    return Likes.of(50 + rng.uniform(0, 0.001, len(phones)), phones, usual(len(phones)), "", "train")


KINDS = ["office", "carrier", "posts of one's firm", "flash crowd", "premiere", "album", "fan club", "offline sync"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_honest_crowds_behind_one_address_are_left_alone(kind: str, seed: int) -> None:
    likes = platform(seed, likes=20_000) + honest(kind, np.random.default_rng(seed))
    assert not len(found_in(likes))


def test_what_is_known_of_one_creator_is_one_place() -> None:
    assert len(found_in(platform(1) + farm(1)))
    assert not len(found_in(platform(1) + farm(1, creator="firm")))


def test_where_hardly_anything_else_is_known_nothing_is_said() -> None:
    assert not len(found_in(farm(1)))


def test_likes_of_other_days_do_not_add_up() -> None:
    likes = platform(1, hours=24.0 * 20)
    slow = farm(1, accounts=40)
    # One pushed like of each farm account on a day of its own.
    slow.at = slow.at + (np.arange(len(slow.at)) % 40) // 4 * 2 * DAY_MS
    assert not len(found_in(likes + slow))


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 20), st.integers(0, 4)), max_size=150), CUTS)
@example([(24 + (a + t) % 30, a, t) for a in range(20) for t in range(4)], [200, 600, 900])
@settings(deadline=None, max_examples=40)
def test_batches_do_not_matter(rows: list[tuple[int, int, int]], cuts: list[int]) -> None:
    hours, actors, targets = (list(x) for x in zip(*rows, strict=True)) if rows else ([], [], [])
    mine = [np.array([f"{name}{x}" for x in numbers], object) for name, numbers in (("a", actors), ("t", targets))]
    likes = platform(9, people=100, likes=1000, hours=100.0) + Likes.of(
        np.array(hours, float), *mine, "", "one address"
    )
    whatever_the_batches(Origin, likes.rows(), cuts)


def test_batches_do_not_matter_to_a_farm() -> None:
    rows = (platform(1) + farm(1)).rows()
    assert len(whatever_the_batches(Origin, rows, list(range(0, len(rows), 397))))


def test_forgotten_actors_leave_no_trace_and_what_is_old_goes() -> None:
    likes, signal = farm(1), Origin()
    observed(signal, (platform(1) + likes).rows())
    gone = ids(likes.actor)
    assert np.isin(gone, signal.snapshot()["seen.actor"]).all()
    signal.forget(gone)
    assert not any(np.isin(gone, a).any() for a in signal.snapshot().values() if a.dtype == np.uint64)
    signal.expire(1 << 60)
    assert not any(len(t) for t in (signal.pairs, signal.origins, signal.popular, signal.seen))


def test_it_is_bounded() -> None:
    signal = Origin(max_rows=1000)
    observed(signal, platform(1).rows(), 200)
    assert all(len(t) <= 1200 for t in (signal.pairs, signal.origins, signal.popular, signal.seen))
    assert signal.seen.evicted > 0


def test_unlikes_and_likes_without_an_origin_are_left_out() -> None:
    rows = (platform(1) + farm(1)).rows()
    assert not len(observed(Origin(), replace(rows, unlike=np.ones(len(rows), np.bool_))))
    assert not len(observed(Origin(), replace(rows, origin=np.zeros(len(rows), np.uint64))))


def test_what_a_moderator_reads() -> None:
    assert Origin.sentence(40, 0.5) == (
        "One of 40 accounts behind one address that liked the same target within two days, and others together as "
        "well, where 0.5 would be usual."
    )
