"""What was put before people as likes come: the same however the log is cut, saved and taken up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.choice import bits, named_slates
from services.choice.log import ATTRIBUTION_MS, Likes, Shown
from services.choice.mixture import Forecasts, Mixture
from services.choice.recent_slates import SLATES
from tests.likes import START_MS

HOUR = 3_600_000
SIZE = 4


def made(seed: int, likes: int, slates: int, people: int = 7, items: int = 12, hours: int = 200) -> tuple[Likes, Shown]:
    rng = np.random.default_rng(seed)
    none = np.zeros(likes, np.uint64)
    time = np.sort(START_MS + rng.integers(0, hours * HOUR, likes))
    p = rng.uniform(0.001, 0.5, (2, likes))
    given = Likes(
        rng.integers(1, people + 1, likes).astype(np.uint64), rng.integers(1, items + 1, likes).astype(np.uint64), none,
        time, np.zeros(likes, np.int8), np.ones(likes), p[0], p[1],
    )  # fmt: skip
    rows = np.repeat(np.arange(slates) + 1, SIZE)
    zeros = np.zeros(len(rows), np.int64)
    seen = np.sort(START_MS + rng.integers(0, hours * HOUR, slates))
    shown = Shown(
        rows, rng.integers(1, people + 1, slates).astype(np.uint64)[rows - 1],
        rng.integers(1, items + 1, len(rows)).astype(np.uint64), zeros.astype(np.uint64), seen[rows - 1],
        zeros.astype(np.int8), zeros.astype(np.int8), zeros, np.tile(np.arange(SIZE), slates),
        np.full(len(rows), np.nan), zeros, rng.random(len(rows)) < 0.2,
    )  # fmt: skip
    pairs = zip(given.actor, given.target, strict=True)
    return replace(given, slate=np.array([_named(rng, shown, *pair) for pair in pairs])), shown


def _named(rng: np.random.Generator, shown: Shown, actor: int, target: int) -> int:
    """One that held the target, at whatever time; any other; or none."""
    held = shown.slate[(shown.actor == actor) & (shown.target == target)]
    kind = rng.integers(3) if len(held) else rng.integers(2)
    return int((0, rng.integers(1, 200), held[rng.integers(len(held))] if len(held) else 0)[kind])


@given(st.integers(0, 10**6), st.lists(st.integers(1, 40), max_size=12), st.booleans())
@settings(deadline=None, max_examples=60)
def test_forecasts_do_not_depend_on_how_the_log_is_cut(seed: int, cuts: list[int], ahead: bool) -> None:
    likes, shown = made(seed, 120, 150)
    whole = bits.of(likes, shown)
    mixture, found, at, slates = Mixture(), [], 0, 0
    for cut in [*cuts, len(likes)]:
        saved, mixture = mixture, Mixture()
        mixture.restore(saved.snapshot())
        part = likes.take(slice(at, at + cut))
        at += cut
        if not len(part):
            break
        # All slates of up to the last like; and, where slates are read ahead, some more.
        reach = part.time[-1] + (9 * HOUR if ahead and at < len(likes) else 0)
        until = int(np.searchsorted(shown.time, reach, side="right"))
        new = shown.take(slice(slates, max(until, slates)))
        found.append(bits.following(mixture, part, new, named_slates.of(part, shown)))
        slates = max(until, slates)
    for name in ("history", "shown", "rest", "shown_first", "was_shown"):
        assert np.array_equal(np.concatenate([getattr(one, name) for one in found]), getattr(whole, name)), name


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=20)
def test_no_forecast_knows_which_slate_a_like_came_from(seed: int) -> None:
    likes, shown = made(seed, 120, 150)
    named, unnamed = bits.of(likes, shown), bits.of(replace(likes, slate=np.zeros(120, np.int64)), shown)
    for name in ("popular", "history", "shown", "rest", "shown_first", "exposed"):
        assert np.array_equal(getattr(named, name), getattr(unnamed, name)), name
    came_from = named_slates.of(likes, shown)
    others = ~came_from.known[named.at]
    assert (named.was_shown == unnamed.was_shown)[others].all()
    assert (named.was_shown == came_from.showed[named.at])[~others].all()


def test_the_latest_slates_of_the_window_are_looked_at_and_no_others() -> None:
    likes, shown = made(3, 200, 400)
    p_slate = Mixture().forecast(likes, Forecasts.of(likes), shown).p_slate
    seen = shown.take(~shown.withheld)
    for i in range(len(likes)):
        mine = (seen.actor == likes.actor[i]) & (seen.time <= likes.time[i])
        mine &= seen.time >= likes.time[i] - ATTRIBUTION_MS
        latest = np.unique(seen.slate[mine])[-SLATES:]
        liked = np.isin(seen.slate, latest) & (seen.target == likes.target[i])
        assert (p_slate[i] > 0) == liked.any()


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=40)
def test_what_might_have_been_liked_is_forecast_and_teaches_nothing(seed: int) -> None:
    likes, shown = made(seed, 80, 120)
    whole = Mixture().forecast(likes, Forecasts.of(likes), shown)
    # Before each like all there is, in its place.
    items = np.arange(1, 13).astype(np.uint64)
    rows = np.repeat(np.arange(len(likes)), len(items) + 1)
    given = np.tile(np.r_[np.zeros(len(items), np.bool_), True], len(likes))
    asked = likes.take(rows)
    targets = np.where(given, asked.target, np.tile(np.r_[items, np.uint64(0)], len(likes)))
    asked = replace(asked, target=targets)
    found = Mixture().forecast(asked, Forecasts.of(asked), shown, given)
    assert all(np.array_equal(of[given], expected) for of, expected in zip(found, whole, strict=True))
    # A slate is of something; and the like is forecast as if it were one of them.
    stated = found.p_slate[~given].reshape(len(likes), len(items))
    if_any = whole.rho > 0
    assert np.allclose(stated[if_any].sum(axis=1), 1.0)
    assert np.array_equal(stated[np.arange(len(likes)), likes.target.astype(np.int64) - 1], whole.p_slate)


RIVALS = ("history", "popular", "anything")


@pytest.mark.parametrize("rival", RIVALS)
def test_what_slates_leave_over_goes_by_what_foretells_it_best(rival: str) -> None:
    """Each second like is of what was shown, which nothing else foretells; the others are foretold by one of three."""
    rng, n = np.random.default_rng(7), 4000
    likes, shown = made(5, n, n, hours=24 * 40)
    by_slate = rng.random(n) < 0.5
    p = {name: np.where(by_slate, 0.001, 0.2 if name == rival else 0.001) for name in RIVALS}
    target = np.where(by_slate, likes.target, np.uint64(999))
    shown = replace(
        shown.take(slice(0, n)), actor=likes.actor, time=likes.time, withheld=np.zeros(n, np.bool_), target=target
    )
    forecasts = Forecasts(p["history"], p["popular"], p["anything"], np.full(n, np.nan), np.zeros(n, np.bool_))
    found = Mixture().forecast(likes, forecasts, shown)
    assert (found.popular[0], found.anything[0]) == (0.1, 0.05)
    shares = {"popular": found.popular[-1], "anything": found.anything[-1]}
    shares["history"] = 1 - sum(shares.values())
    assert shares.pop(rival) > 0.9
    assert max(shares.values()) < 0.06


@pytest.mark.parametrize("more_often", [True, False])
def test_what_slates_leave_over_is_new_more_or_less_often(more_often: bool) -> None:
    """History says that a fifth is new; of what slates leave over it is two fifths, or none."""
    rng, n = np.random.default_rng(8), 4000
    likes, shown = made(6, n, n, hours=24 * 40)
    shown = replace(shown.take(slice(0, n)), actor=likes.actor, time=likes.time, withheld=np.zeros(n, np.bool_))
    is_new = (rng.random(n) < 0.4) & more_often
    target = np.where(is_new, np.uint64(10**6) + np.arange(n).astype(np.uint64), np.uint64(999))
    p = np.where(is_new, 0.2 / 1000, 0.8 / 1000)
    found = Mixture().forecast(replace(likes, target=target), Forecasts(p, p, p, np.full(n, 0.2), is_new), shown)
    assert (found.of_new[0], found.of_known[0]) == (1.0, 1.0)
    share = 0.2 * found.of_new[n // 2 :]
    assert share.mean() == pytest.approx(0.4 if more_often else 0.0, abs=0.03)
    # What is new and what is known are all there is.
    assert 0.2 * found.of_new + 0.8 * found.of_known == pytest.approx(np.ones(n))


def test_what_has_passed_is_let_go() -> None:
    likes, shown = made(4, 3000, 6000, hours=24 * 90)
    mixture, at = Mixture(), 0
    for start in range(0, len(likes), 50):
        part = likes.take(slice(start, start + 50))
        until = int(np.searchsorted(shown.time, part.time[-1], side="right"))
        mixture.forecast(part, Forecasts.of(part), shown.take(slice(at, until)))
        at = until
    saved = mixture.snapshot()
    # Of 90 days one is looked at: some 67 slates, and what is not dropped yet.
    assert len(saved["slates.time"]) < 400
    assert len(saved["slates.rings.key"]) <= 7


@pytest.mark.parametrize("likes", [0, 5])
def test_without_slates_history_alone_foretells(likes: int) -> None:
    given, shown = made(5, likes, 0)
    found = bits.of(given, shown)
    assert np.array_equal(found.shown, np.zeros(likes))
    assert not found.was_shown.any()
