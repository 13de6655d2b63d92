from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.detector.signals.signal import Findings, Rows
from services.detector.signals.strangers import Strangers
from tests.signal_rows import (
    CUTS,
    DAY_MS,
    HOUR_MS,
    Likes,
    frames,
    ids,
    named,
    observed,
    platform,
    said_of,
    stacked,
    whatever_the_batches,
)


def throwaways(seed: int, accounts: int = 300, begin: float = 50.0) -> Likes:
    rng = np.random.default_rng(seed)
    return Likes.of(
        begin + rng.uniform(0, 6, accounts),
        named("fake", accounts),
        np.array([f"item{i}" for i in rng.integers(900, 903, accounts)], object),
    )


def found_in(likes: Likes) -> Findings:
    return observed(Strangers(), likes.rows())


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("begin", [24.0, 50.0, 51.3])
def test_throwaway_accounts_are_found_and_nobody_else(seed: int, begin: float) -> None:
    fakes = throwaways(seed, begin=begin)
    found = found_in(platform(seed) + fakes)
    assert said_of(found, fakes.actor) > 0.98
    assert set(found.actor.tolist()) <= set(ids(fakes.actor).tolist())
    assert set(found.target.tolist()) <= set(ids(fakes.target).tolist())
    assert found.convicts.all()
    # Of k strangers where e come along anyway each is honest with e/k.
    assert (found.baseline / found.value < 0.1).all()
    assert (found.first_at == found.last_at).all()


def test_the_verdict_comes_a_day_after_the_window_and_not_before() -> None:
    rows, signal = throwaways(1).rows(), Strangers()
    calm = platform(1).rows()
    both = stacked(
        [calm.take(~calm.settled), rows.take(~rows.settled), calm.take(calm.settled), rows.take(rows.settled)]
    )
    fresh = both.take(~both.settled)
    end = int(fresh.occurred_at[-1])
    order = np.lexsort((fresh.target, fresh.actor, fresh.occurred_at))
    signal.observe(fresh.take(order), end)
    last = int(rows.occurred_at[rows.settled][-1])
    strangers = both.take(both.settled)
    strangers = strangers.take(np.argsort(strangers.occurred_at, kind="stable"))
    assert not len(
        signal.observe(strangers.take(strangers.occurred_at <= last - 8 * HOUR_MS), last - 8 * HOUR_MS + DAY_MS)
    )
    rest = strangers.take(strangers.occurred_at > last - 8 * HOUR_MS)
    assert said_of(signal.observe(rest, last + DAY_MS + 2 * HOUR_MS), throwaways(1).actor) > 0.98


def honest(kind: str, rng: np.random.Generator) -> Likes:
    """People of the platform, or newcomers who stay."""
    members = np.array([f"person{i}" for i in rng.permutation(1500)], object)
    if kind == "flash crowd":
        return Likes.of(50 + rng.exponential(0.5, 400), members[:400], "news")
    if kind == "premiere":
        return Likes.of(50 + rng.uniform(0, 0.05, 300), members[:300], "film")
    if kind == "album":
        who = np.repeat(members[:150], 12)
        return Likes.of(50 + rng.uniform(0, 5, len(who)), who, np.tile(named("track", 12), 150), "band")
    if kind == "fan club":
        who = np.tile(members[:25], 10)
        return Likes.of(
            30 + np.repeat(np.arange(10) * 4, 25) + rng.uniform(0, 2, 250), who, np.repeat(named("post", 10), 25)
        )
    if kind == "offline sync":
        who = np.repeat(named("phone", 40), 60)
        return Likes.of(
            50 + rng.uniform(0, 0.001, len(who)),
            who,
            np.array([f"item{i}" for i in rng.integers(0, 60, len(who))], object),
        )
    if kind == "office":
        return Likes.of(
            50 + rng.uniform(0, 8, 300),
            rng.choice(members[:60], 300),
            np.array([f"item{i}" for i in rng.integers(0, 2000, 300)], object),
        )
    # Newcomers who pick 12 of the same 30 starters each.
    who = np.repeat(named("newcomer", 300), 12)
    picks = np.concatenate([rng.permutation(30)[:12] for _ in range(300)])
    return Likes.of(
        np.repeat(50 + rng.uniform(0, 5, 300), 12) + np.tile(np.arange(12) / 1800, 300),
        who,
        np.array([f"starter{i}" for i in picks], object),
    )


@pytest.mark.parametrize(
    "kind", ["flash crowd", "premiere", "album", "fan club", "offline sync", "office", "onboarding"]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_honest_crowds_are_no_strangers(kind: str, seed: int) -> None:
    # Who likes on a platform for the third day is known there.
    likes = platform(seed, likes=20_000) + honest(kind, np.random.default_rng(seed))
    assert not len(found_in(likes))


def test_nothing_is_said_of_a_stream_of_which_nothing_is_known() -> None:
    assert not len(found_in(throwaways(1)))


def test_where_strangers_are_usual_only_more_of_them_are_a_crowd() -> None:
    rng = np.random.default_rng(3)
    # Six hours on end, 40 posts whose likers are strangers to 30 to 80 %.
    visitors = []
    for post in range(240):
        n = int(rng.integers(30, 60))
        strange = rng.random(n) < rng.uniform(0.3, 0.8)
        who = np.where(
            strange, named(f"visitor{post}-", n), np.array([f"person{i}" for i in rng.integers(0, 1500, n)], object)
        )
        visitors.append(Likes.of(24 + post * 0.3 + rng.exponential(0.5, n), who, f"post{post}"))
    likes = sum(visitors, platform(3, likes=3000))
    assert not len(found_in(likes))
    fakes = Likes.of(80 + rng.uniform(0, 6, 120), named("fake", 120), "item901")
    found = found_in(likes + fakes)
    assert said_of(found, fakes.actor) > 0.8
    assert set(found.actor.tolist()) <= set(ids(fakes.actor).tolist())


def test_one_account_that_likes_again_and_again_hides_no_crowd() -> None:
    fakes = throwaways(1)
    again = Likes.of(
        np.linspace(50, 56, 3000), "person1", np.tile(np.array(["item900", "item901", "item902"], object), 1000)
    )
    assert said_of(found_in(platform(1) + again + fakes), fakes.actor) > 0.98


def test_accounts_made_today_are_strangers_though_they_were_seen_before() -> None:
    rows = (platform(1) + throwaways(1)).rows()
    fake = np.isin(rows.actor, ids(throwaways(1).actor))
    seen = replace(rows, first_seen=np.where(fake, rows.first_seen - 30 * DAY_MS, rows.first_seen))
    assert not len(observed(Strangers(), seen))
    made = replace(seen, actor_created_at=np.where(fake, rows.occurred_at - HOUR_MS, -1))
    assert said_of(observed(Strangers(), made), throwaways(1).actor) > 0.98


def test_an_attack_does_not_make_the_next_one_usual() -> None:
    waves = [throwaways(s, begin=24 + 6 * s) for s in range(8)]
    for number, wave in enumerate(waves):
        wave.actor = np.array([f"{name}-{number}" for name in wave.actor], object)
    found = found_in(sum(waves, platform(1, hours=96.0)))
    assert all(said_of(found, wave.actor) > 0.95 for wave in waves)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3), st.integers(0, 60)), max_size=150), CUTS)
@example([(h % 5, 0, 20 + h) for h in range(40)] + [(h, 1 + h % 3, h % 15) for h in range(60)] * 4, [100, 150, 180])
@settings(deadline=None, max_examples=40)
def test_batches_do_not_matter(rows: list[tuple[int, int, int]], cuts: list[int]) -> None:
    calm = platform(9, people=100, likes=400)
    hours, targets, actors = (list(x) for x in zip(*rows, strict=True)) if rows else ([], [], [])
    likes = calm + Likes.of(
        np.array(hours, float),
        np.array([f"a{x}" for x in actors], object),
        np.array([f"t{x}" for x in targets], object),
    )
    whatever_the_batches(Strangers, likes.rows(), cuts)


def test_batches_do_not_matter_to_a_crowd() -> None:
    rows = (platform(1) + throwaways(1, begin=30.0)).rows()
    assert len(whatever_the_batches(Strangers, rows, list(range(0, 12_300, 397))))


def test_forgotten_actors_are_not_found_and_leave_no_trace() -> None:
    rows, signal = (platform(1) + throwaways(1, begin=30.0)).rows(), Strangers()
    fakes = ids(throwaways(1).actor)
    for part, now in frames(rows, range(50, len(rows), 50)):
        signal.observe(part, now)
        listed = np.isin(fakes, signal.snapshot()["actor"])
        if listed.sum() > 100:
            break
    else:
        raise AssertionError("nobody was listed")
    signal.forget(fakes)
    assert not any(np.isin(fakes, a).any() for a in signal.snapshot().values() if a.dtype == np.uint64)


def test_what_it_keeps_is_bounded() -> None:
    rng = np.random.default_rng(1)
    fakes = Likes.of(
        24 + rng.uniform(0, 2, 3000), named("fake", 3000), np.array([f"item{i}" for i in range(3)] * 1000, object)
    )
    rows = (platform(1) + fakes).rows()
    signal = Strangers(max_rows=1000)
    for part, now in frames(rows, range(500, len(rows), 500)):
        signal.observe(part, now)
        assert len(signal.at) <= 1000
        assert len(signal.table) <= 1500
    assert signal.unlisted > 0
    signal.expire(1 << 60)
    assert len(signal.table) == 0


def test_what_a_moderator_reads() -> None:
    assert Strangers.sentence(100, 4.55) == (
        "One of 100 accounts that nobody had seen before and that hardly liked anything else, on one target within "
        "six hours, where 4.5 would be usual."
    )


def test_unlikes_are_no_likes() -> None:
    rows: Rows = (platform(1) + throwaways(1)).rows()
    fake = np.isin(rows.actor, ids(throwaways(1).actor))
    assert not len(observed(Strangers(), replace(rows, unlike=fake)))
