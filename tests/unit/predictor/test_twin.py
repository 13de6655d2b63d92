"""Twin forecasters: what each learns, and that both state probabilities of the same things."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.predictor import twin
from services.predictor.learning import REMEMBERED
from services.predictor.trending import CLOCK, DAY_MS
from services.predictor.twin import DISOWNED, LIKE, SHOWN, Acts, Twin, Twins, forecasts, in_order
from shared.events import ACTIONS, UNLIKE
from tests.likes import START_MS

SHARE, BUY = ACTIONS.index("share"), ACTIONS.index("buy")


def acts(rows: list[tuple[int, int, int]]) -> Acts:
    """(actor, target, kind), a minute apart."""
    actor, target, kind = (np.array(column) for column in zip(*rows, strict=True))
    times = START_MS + np.arange(len(rows)) * 60_000
    return Acts(actor.astype(np.uint64), target.astype(np.uint64), times, kind.astype(np.int8))


def stream(n: int, seed: int, kinds: tuple[int, ...] = (LIKE, SHARE, SHOWN)) -> Acts:
    """People of six tastes."""
    rng = np.random.default_rng(seed)
    who = rng.integers(1, 61, n)
    what = 1 + (who % 6) * 20 + (20 * rng.random(n) ** 2).astype(int)
    return acts(list(zip(who.tolist(), what.tolist(), rng.choice(kinds, n).tolist(), strict=True)))


def test_who_learns_no_likes_knows_the_same_of_everybody_and_everything_whatever_was_liked() -> None:
    catalogue = acts([(1000, target, SHARE) for target in range(1, 130)])
    log = stream(3000, 1, (LIKE, SHARE, SHOWN))
    likes = np.flatnonzero(log.kind == LIKE)
    other = log.target.copy()
    other[likes] = np.random.default_rng(2).permutation(other[likes])
    of_likes: list[list[Any]] = []
    of_others: list[list[Any]] = []
    for target in (log.target, other):
        whole = Acts(*(np.r_[a, b] for a, b in _columns(catalogue, replace(log, target=target))))
        for learns_likes, arrays in ((True, of_likes), (False, of_others)):
            of = Twin(learns_likes, 0.03)
            of.observe(whole, np.zeros(len(whole), np.bool_))
            arrays.append([of.model.lists.weight, of.model.lists.total, of.model.rates.value, of.model.store.end])
    for one, same in zip(*of_others, strict=True):
        assert np.array_equal(one, same)
    assert not np.array_equal(of_likes[0][1], of_likes[1][1])


def _columns(*of: Acts) -> list[tuple[np.ndarray, ...]]:
    return [tuple(getattr(a, name) for a in of) for name in ("actor", "target", "time", "kind")]


def held(of: Twin) -> dict[int, list[int]]:
    """By actor, the targets in the history."""
    h = of.model.store.histories
    names = of.model.items.ids
    return {
        int(user): [int(names[h.item[h.start[u] + k]]) for k in range(h.length[u])]
        for u, user in enumerate(of.model.users.ids)
        if h.length[u]
    }


def learnt(rows: list[tuple[int, int, int]]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """What each twin holds afterwards."""
    twins = Twins()
    twins.observe(acts(rows))
    return held(twins.with_likes), held(twins.without)


def test_one_learns_likes_and_the_other_does_not() -> None:
    rows = [(1, 10, LIKE), (1, 11, SHARE), (2, 10, BUY), (2, 12, SHOWN)]
    assert learnt(rows) == ({1: [10, 11], 2: [10]}, {1: [11], 2: [10]})


def test_an_unlike_takes_a_like_back_and_no_share() -> None:
    rows = [(1, 10, LIKE), (1, 11, LIKE), (1, 11, SHARE), (1, 12, SHARE), (1, 13, SHARE), (1, 13, LIKE)]
    taken = [(1, target, UNLIKE) for target in (10, 11, 12, 13)]
    assert learnt(rows + taken) == ({1: [11, 12, 13]}, {1: [11, 12, 13]})


def test_of_what_left_a_full_history_nobody_knows_that_it_was_shared() -> None:
    filling = [(1, 100 + target, SHARE) for target in range(REMEMBERED)]
    (of_likes, of_others) = learnt([(1, 10, SHARE), *filling, (1, 10, LIKE), (1, 10, UNLIKE)])
    assert 10 not in of_likes[1]
    assert 10 not in of_others[1]
    assert of_likes == of_others


def test_an_unlike_makes_nobody_and_nothing_known() -> None:
    log = acts([(1, 10, SHARE), (1, 99, UNLIKE), (9, 10, UNLIKE), (9, 98, DISOWNED), (1, 11, SHARE)])
    twins = Twins()
    twins.observe(log)
    for of in (twins.with_likes, twins.without):
        assert (of.model.users.ids, of.model.items.ids, of._choices) == (["1"], ["10", "11"], 2)


def test_a_like_that_was_nobodys_is_taken_back_by_its_time() -> None:
    log = acts([(1, 10, LIKE), (1, 11, LIKE), (1, 11, UNLIKE), (1, 11, LIKE), (1, 12, SHARE), (1, 12, LIKE)])
    disowned = acts([(1, target, DISOWNED) for target in (10, 11, 12)])
    # The first like of each.
    disowned.time[:] = log.time[[0, 1, 5]]
    twins = Twins()
    twins.observe(Acts(*(np.r_[a, b] for a, b in _columns(log, disowned))))
    assert held(twins.with_likes) == {1: [11, 12]}
    assert held(twins.without) == {1: [12]}


def test_a_like_dated_ahead_moves_the_clock_once() -> None:
    log = acts([(1, 10, SHARE), (1, 11, LIKE), (1, 11, DISOWNED)])
    log.time[1:] += 10 * DAY_MS
    twins = Twins()
    twins.observe(log)
    assert twins.with_likes.model.rates.time[CLOCK] == START_MS + DAY_MS


def test_what_one_has_done_to_a_thing_already_is_not_learnt_again() -> None:
    rows = [(1, 10, LIKE), (1, 10, SHARE), (1, 10, LIKE), (1, 10, BUY)]
    assert learnt(rows) == ({1: [10]}, {1: [10]})


def test_what_is_shown_teaches_a_little_and_stays_a_candidate() -> None:
    log = acts([(1, 10, SHARE), (1, 11, SHOWN), (2, 10, SHARE)])
    shown, blind = Twin(False, 0.03), Twin(False, 0.0)
    for of in (shown, blind):
        of.observe(log, np.zeros(len(log), np.bool_))
    number = shown.model.items.numbers
    assert shown.model.lists.total[number["11"]] == pytest.approx(0.03)
    assert blind.model.lists.total[number["11"]] == 0
    # Both know of it, and who was shown it may like it.
    assert len(blind.model.items.ids) == len(shown.model.items.ids) == 2
    assert number["11"] in shown.model.ranked(np.array([shown.model.users.numbers["1"]])).top[0]


def test_where_shares_follow_likes_at_once_the_twins_say_the_same() -> None:
    likes = stream(1500, 3, (LIKE,))
    actions = Acts(*(np.repeat(getattr(likes, name), 2) for name in ("actor", "target", "time", "kind")))
    actions.kind[1::2] = SHARE
    p_with, p_without = forecasts(actions)
    assert p_with[::2] == pytest.approx(p_without[::2], rel=1e-9)
    assert np.isnan(p_with[1::2]).all()


def test_likes_that_carry_what_shares_do_not_are_missed() -> None:
    likes = stream(6000, 4, (LIKE,))
    rng = np.random.default_rng(5)
    shares = replace(likes, target=rng.permutation(likes.target), kind=np.full(6000, SHARE, np.int8))
    log, place = in_order(likes, shares)
    p_with, p_without = (p[place] for p in forecasts(log))
    assert np.log2(p_with / p_without)[3000:].mean() > 0.4


@pytest.mark.parametrize("learns_likes", [True, False])
def test_what_is_stated_is_a_distribution_over_the_catalogue(learns_likes: bool) -> None:
    """The same like with every item in turn: of an actor with a past, and of one without. What is short of 1 are places
    farther out than there are candidates.
    """
    log, other = stream(2500, 6), np.zeros(2501, np.bool_)
    catalogue = np.unique(log.target)
    for actor in (7, 999):
        stated = []
        for target in catalogue:
            last = Acts(*(np.array([x], a.dtype) for x, a in zip(
                (actor, target, log.time[-1] + 1, LIKE), _arrays(log), strict=True
            )))  # fmt: skip
            whole = Acts(*(np.r_[a, b] for a, b in _columns(log, last)))
            stated.append(Twin(learns_likes, 0.03).observe(whole, other)[0][-1])
        assert min(stated) > 0
        assert 0.99 <= sum(stated) <= 1.0 + 1e-6


def _arrays(log: Acts) -> list[np.ndarray]:
    return [log.actor, log.target, log.time, log.kind]


def test_who_knows_nothing_forecasts_anything_of_the_same_catalogue() -> None:
    """Before the first share: one over how many things there are, the first one itself among them."""
    log = acts([(1, 10, LIKE), (1, 11, SHOWN), (2, 12, LIKE), (3, 10, LIKE)])
    _, p_without = forecasts(log, 0.0)
    assert p_without[[0, 2, 3]].tolist() == pytest.approx([1, 1 / 3, 1 / 3])


def test_likes_do_not_know_of_what_is_unliked_before_them_in_one_batch() -> None:
    """Cut at an unlike of what is liked only later."""
    log = acts([(1, 10, LIKE), (2, 10, SHARE), (1, 12, UNLIKE), (2, 11, LIKE), (1, 12, LIKE)])
    whole, parts = Twins(), Twins()
    expected = whole.observe(log)
    found = [parts.observe(log.take(part)) for part in (slice(0, 3), slice(3, 5))]
    for one, both in zip(expected, zip(*found, strict=True), strict=True):
        assert np.concatenate(both).tolist() == pytest.approx(one.tolist(), nan_ok=True)


def test_forecasts_do_not_depend_on_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    log = stream(2500, 8, (LIKE, SHARE, SHOWN, UNLIKE, BUY))
    expected = forecasts(log)
    monkeypatch.setattr(twin, "AT_ONCE", 317)
    for found, of in zip(forecasts(log), expected, strict=True):
        assert found.tolist() == pytest.approx(of.tolist(), nan_ok=True)


def test_forecasts_are_frozen_before_the_event() -> None:
    log = stream(2500, 9)
    early = forecasts(log.take(slice(0, 1200)))
    for found, of in zip(early, forecasts(log), strict=True):
        assert found.tolist() == pytest.approx(of[:1200].tolist(), nan_ok=True)


def test_a_ranking_that_foretells_nothing_costs_next_to_nothing() -> None:
    """Likes by chance: what is stated is hardly worse than any item alike, calibrated yet or not."""
    rng = np.random.default_rng(10)
    n = 3000
    log = acts(list(zip(rng.integers(1, 60, n), rng.integers(1, 100, n), np.full(n, LIKE), strict=True)))
    p_with, _ = forecasts(log)
    assert -np.log2(p_with).mean() < np.log2(100) + 0.1
