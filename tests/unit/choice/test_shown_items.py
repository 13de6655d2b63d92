"""Where likes are due to the latest slate, at once, and where they are due to any slate of the last day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.choice import bits
from services.choice.log import F64, HOUR_MS, Likes, Shown
from services.choice.mixture import Forecasts, Mixture
from services.choice.recent_slates import SLATES
from tests.likes import START_MS

ITEMS, PEOPLE, SIZE, RHO, ROUNDS = 300, 100, 8, 0.5, 200
THETA = (np.arange(SIZE) + 1.0) ** -1.0 / ((np.arange(SIZE) + 1.0) ** -1.0).sum()
MINUTE = 60_000


def world(seed: int, late: bool) -> tuple[Likes, Shown, F64]:
    """A slate for everybody every three hours; after a third of them, a minute later, a like: with probability RHO of
    the latest slate, or (`late`) of any of the latest eight. And how probable each like was.
    """
    rng = np.random.default_rng(seed)
    slates = np.argsort(rng.random((ROUNDS, PEOPLE, ITEMS)), axis=2)[:, :, :SIZE]
    taste = rng.dirichlet(np.full(ITEMS, 0.3), PEOPLE) * 0.98 + 0.02 / ITEMS
    when, who = np.nonzero(rng.random((ROUNDS, PEOPLE)) < 1 / 3)
    n = len(when)
    back = np.minimum(rng.integers(0, SLATES, n) if late else 0, when)
    of_slate = slates[when - back, who, rng.choice(SIZE, n, p=THETA)]
    of_taste = np.array([rng.choice(ITEMS, p=taste[person]) for person in who])
    item = np.where(rng.random(n) < RHO, of_slate, of_taste)
    p_slate = np.zeros(n)
    # In the first day there are not eight yet: the truth is told of what comes later only.
    for ago in range(SLATES if late else 1):
        among = slates[np.maximum(when - ago, 0), who] == item[:, None]
        p_slate += (among * THETA).sum(axis=1) / (SLATES if late else 1)
    p_history = taste[who, item]
    no, time = np.zeros(n, np.uint64), START_MS + when * 3 * HOUR_MS + MINUTE
    people = (np.arange(PEOPLE) + 1).astype(np.uint64)
    likes = Likes(people[who], item.astype(np.uint64), no, time, no.astype(np.int8), np.ones(n), p_history, p_history)
    rows = np.repeat(np.arange(ROUNDS * PEOPLE), SIZE)
    zeros = np.zeros(len(rows), np.int64)
    shown = Shown(
        rows + 1, people[rows % PEOPLE], slates.ravel().astype(np.uint64), zeros.astype(np.uint64),
        START_MS + rows // PEOPLE * 3 * HOUR_MS, zeros.astype(np.int8), zeros.astype(np.int8), zeros,
        np.tile(np.arange(SIZE), ROUNDS * PEOPLE), np.full(len(rows), np.nan), zeros, np.zeros(len(rows), np.bool_),
    )  # fmt: skip
    return likes, shown, RHO * p_slate + (1 - RHO) * p_history


@pytest.mark.parametrize("late", [False, True])
def test_likes_at_once_and_hours_later_are_forecast_as_if_it_were_known_which(late: bool) -> None:
    likes, shown, p = world(1, late)
    found = bits.of(likes, shown)
    second = slice(len(likes) // 2, None)
    lost = found.rest[second].mean() + np.log2(p[second]).mean()
    # With all slates of a day alike 1.2 bits are lost where likes come at once.
    assert abs(lost) < 0.02
    assert found.shown[second].mean() > 1.5


def test_what_was_liked_is_next_to_never_liked_again_of_the_same_slate() -> None:
    likes, shown, _ = world(2, late=False)
    mixture = Mixture()
    mixture.forecast(likes, Forecasts.of(likes), shown)
    # One who liked the first of a slate, and then might like that one, or the second.
    time = int(likes.time[-1]) + 40 * HOUR_MS
    slate = replace(shown.take(slice(0, SIZE)), actor=np.full(SIZE, 999, np.uint64), time=np.full(SIZE, time))
    rows = likes.take(np.zeros(5, np.int64))
    first, second = slate.target[0], slate.target[1]
    asked = replace(
        rows,
        actor=np.full(5, 999, np.uint64),
        target=np.array([first, second, first, first, second]),
        time=time + np.array([1, 1, 2, 3, 3]) * MINUTE,
    )
    given = np.array([False, False, True, False, False])
    p_slate, rho, *_ = mixture.forecast(asked, Forecasts.of(asked), slate, given)
    assert p_slate[0] > p_slate[1] > 0
    assert p_slate[3] < p_slate[4]
    # And a slate that had its like has less to do with the next.
    assert rho[3] < rho[0]


def test_a_snapshot_of_before_is_taken_up() -> None:
    """It has one rho, weights of ranks, and does not say which slates came before their actor's latest like."""
    likes, shown, _ = world(3, late=False)
    mixture = Mixture()
    first = likes.take(slice(0, 500))
    mixture.forecast(first, Forecasts.of(first), shown.take(shown.time <= likes.time[499]))
    saved = mixture.snapshot()
    learnt = ("mixture.weight", "mixture.of_weight", "mixture.rho", "mixture.of_rho", "mixture.shares", "mixture.new")
    before = {name: array for name, array in saved.items() if name not in (*learnt, "slates.rings.liked")}
    theta = np.arange(1, 201) ** -0.7
    before |= {"mixture.theta": theta, "mixture.of_shown": np.array([300.0, 600.0])}
    before |= {"mixture.due": theta, "mixture.asked": np.ones(200)}
    taken_up = Mixture()
    taken_up.restore(before)
    # What nobody liked after anything else was shown: the odds are those of before.
    slate = replace(
        shown.take(slice(0, SIZE)), actor=np.full(SIZE, 999, np.uint64), time=np.full(SIZE, likes.time[499])
    )
    asked = replace(likes.take(np.full(SIZE, 499)), actor=slate.actor, target=slate.target)
    p_slate, rho, *_ = taken_up.forecast(asked, Forecasts.of(asked), slate, np.zeros(SIZE, np.bool_))
    assert rho == pytest.approx(0.5)
    assert p_slate == pytest.approx(theta[:SIZE] / theta[:SIZE].sum())
    later = (likes.time > likes.time[499]) & (likes.time < likes.time[499] + 30 * HOUR_MS)
    new = shown.take((shown.time > likes.time[499]) & (shown.time < likes.time[499] + 30 * HOUR_MS))
    last = likes.take(later)
    assert (taken_up.forecast(last, Forecasts.of(last), new).rho > 0).all()
