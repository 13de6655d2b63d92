"""How probable each like was before it came, by popularity and by history."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.predictor.calibration import (
    CLEARNESSES,
    OUTCOMES,
    RECALIBRATED,
    UNRANKED,
    Calibration,
    next_recalibration,
    outcome,
    size_of,
)
from services.predictor.forecasts import AGAIN, ALIKE, NEW, Shares, shares_of
from services.predictor.levels import LAST
from services.predictor.model import CoPreference
from services.predictor.prequential import Scored
from services.predictor.ranking import TOP, new_places
from services.predictor.twin import FirstLikes
from tests.likes import START_MS


def test_the_share_of_first_likes_is_as_it_stood_before_each() -> None:
    new = np.array([True, True, False, True, False])
    whole, parts = FirstLikes(), FirstLikes()
    found = whole.observe(new)
    assert found.tolist() == pytest.approx([1 / 2, 2 / 3, 3 / 4, 3 / 5, 4 / 6])
    assert np.r_[parts.observe(new[:2]), parts.observe(new[2:])].tolist() == found.tolist()


def stream(n: int, seed: int) -> tuple[pa.Array, pa.Array, np.ndarray]:
    rng = np.random.default_rng(seed)
    users = pa.array([f"u{u}" for u in rng.integers(0, 80, n)])
    items = pa.array([f"i{int(300 * x**3)}" for x in rng.random(n)])
    return users, items, START_MS + np.arange(n) * 60_000


def learnt(likes: int, seed: int) -> CoPreference:
    model = CoPreference()
    model.score_and_learn(*stream(likes, seed), np.ones(likes, np.float32))
    return model


def copy_of(model: CoPreference) -> CoPreference:
    copy = CoPreference()
    copy.restore(model.snapshot())
    return copy


def next_like(model: CoPreference, user: str, item: str) -> Scored:
    """What would be said of one more like."""
    when = np.array([START_MS + 10**9])
    return copy_of(model).score_and_learn(pa.array([user]), pa.array([item]), when, np.ones(1, np.float32))


@pytest.mark.parametrize("likes", [30, 3000])
def test_all_that_is_known_and_something_new_are_certain(likes: int) -> None:
    """The same like with every item in turn, what its user liked before too. New things are as many as are known."""
    model = learnt(likes, 1)
    for user in model.users.ids[:2]:
        found = [next_like(model, user, item) for item in model.items.ids]
        new = next_like(model, user, "never seen")
        whole = [1.0 + len(model.items.ids)] * np.array([new.p_popular[0], new.p_history[0]])
        assert whole == pytest.approx(shares_of(model.shares.learnt)[NEW])
        assert sum(s.p_popular[0] for s in found) + whole[0] == pytest.approx(1.0, abs=1e-9)
        # Candidates of equal score stand at one place.
        assert sum(s.p_history[0] for s in found) + whole[1] == pytest.approx(1.0, abs=0.02)
        assert min(s.p_history[0] for s in found) > 0


def of_mixture(new: float, alike: float, likes: int, seed: int) -> Shares:
    """Learnt from likes of a mixture of popularity (of 50 things, half of them never liked) and of any thing alike."""
    rng = np.random.default_rng(seed)
    popularity = np.r_[rng.dirichlet(np.ones(25)), np.zeros(25)]
    item = np.where(rng.random(likes) < alike, rng.integers(0, 50, likes), rng.choice(50, likes, p=popularity))
    places, shares = new_places(likes), Shares()
    places.rank[:], places.popularity[:], places.level[:] = 1, popularity[item], np.where(item < 25, 4, LAST)
    places.level_shares[:, 4], places.level_things[:, 4] = 1.0, 25.0
    shares.observe(places, np.full(likes, 50), rng.random(likes) < new)
    return shares


@pytest.mark.parametrize(("new", "alike"), [(0.02, 0.1), (0.3, 0.6)])
def test_how_much_is_new_and_how_much_of_anything_is_learnt(new: float, alike: float) -> None:
    found = np.mean([of_mixture(new, alike, 4000, seed).learnt for seed in range(20)], axis=0)
    assert shares_of(found)[[NEW, ALIKE]] == pytest.approx([new, alike], abs=0.03)


def test_of_what_is_new_the_latest_likes_tell_and_nothing_is_impossible() -> None:
    likes = 200_000
    places, shares = new_places(likes), Shares()
    places.rank[:], places.popularity[:], places.level[:] = 1, 0.1, 3
    places.level_shares[:, 3], places.level_things[:, 3] = 1.0, 10.0
    found = shares.observe(places, np.full(likes, 50), np.arange(likes) < 2000)
    assert found.of_kind[1999] > 0.99
    assert found.of_kind[2999] > 0.99
    assert 1e-5 < shares_of(shares.learnt)[NEW] < 1e-3


def test_what_bots_like_teaches_no_share() -> None:
    users, items, times = stream(1000, 5)
    model = learnt(500, 6)
    before = model.shares.learnt.copy(), model.shares.by_level.copy()
    bots = pa.array([f"bots {i}" for i in items.to_pylist()])
    model.score_and_learn(users, bots, times, np.zeros(1000, np.float32))
    assert np.array_equal(model.shares.learnt, before[0])
    assert np.array_equal(model.shares.by_level, before[1])


def test_what_a_like_taught_of_forecasts_stays_when_it_is_taken_back() -> None:
    users, items, times = stream(1000, 7)
    model = learnt(1000, 7)
    before = model.shares.learnt.copy(), model.shares.by_level.copy()
    taken = model.score_and_learn(users, items, times, np.ones(1000, np.float32), np.ones(1000, np.bool_))
    assert model.taken_back > 500
    assert not len(taken.rank)
    assert np.array_equal(model.shares.learnt, before[0])
    assert np.array_equal(model.shares.by_level, before[1])


def test_what_was_forecast_by_popularity_came_true_as_often() -> None:
    """Over the whole catalogue, at likes that lie apart, by the square root of what was stated."""
    users, items, times = stream(6000, 2)
    model, stated, came = CoPreference(), [], []
    for start in range(0, 6000, 20):
        part = slice(start, start + 20)
        if start >= 1000 and start % 200 == 0:
            user, item = users[start].as_py(), items[start].as_py()
            stated += [next_like(model, user, other).p_popular[0] for other in model.items.ids]
            came += [other == item for other in model.items.ids]
        model.score_and_learn(users[part], items[part], times[part], np.ones(20, np.float32))
    p, hit = np.array(stated), np.array(came)
    bins = (np.sqrt(p) * 10).astype(int)
    error = np.abs(np.bincount(bins, p) - np.bincount(bins, hit)).sum()
    assert error / 25 < 0.35


@settings(deadline=None, max_examples=15)
@given(st.sets(st.integers(1, 1999), max_size=4), st.integers(0, 3))
def test_forecasts_do_not_depend_on_how_the_log_is_cut_or_a_restart(cuts: set[int], seed: int) -> None:
    users, items, times = stream(2000, seed)
    rng = np.random.default_rng(seed)
    trust, unlike = (rng.random(2000) < 0.9).astype(np.float32), rng.random(2000) < 0.1
    rows: tuple[Any, ...] = users, items, times, trust, unlike
    whole = CoPreference()
    expected = whole.score_and_learn(*rows)
    model, found = CoPreference(), []
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), 2000], strict=True):
        model = copy_of(model)
        found.append(model.score_and_learn(*(column[start:stop] for column in rows)))
    assert np.concatenate([s.p_popular for s in found]).tolist() == expected.p_popular.tolist()
    assert np.concatenate([s.p_history for s in found]).tolist() == expected.p_history.tolist()
    assert np.array_equal(model.shares.learnt, whole.shares.learnt)
    assert np.array_equal(model.shares.by_level, whole.shares.by_level)
    assert np.array_equal(model.prequential.calibration.record, whole.prequential.calibration.record)
    assert (expected.p_history <= 1).all()
    assert (expected.p_popular > 0).all()


def test_a_snapshot_of_before_is_read() -> None:
    model = learnt(2000, 4)
    arrays = model.snapshot()
    for name in ("shares", "shares_by_level", "rates.levels", "prequential.offered", "prequential.weight"):
        del arrays[name]
    arrays["counts"] = np.r_[arrays["counts"], 2000, 300]
    for name in ("prequential.record", "prequential.table"):
        arrays[name] = arrays[name][:, : OUTCOMES - 1]
    restored = CoPreference()
    restored.restore(arrays)
    assert restored.rates.levels == pytest.approx(model.rates.levels)
    users, items, times = stream(1500, 8)
    scored = restored.score_and_learn(users, items, times + 10**9, np.ones(1500, np.float32))
    assert scored.rank.tolist() == model.score_and_learn(users, items, times + 10**9, np.ones(1500)).rank.tolist()
    assert np.isfinite(scored.surprise_bits).all()
    assert restored.prequential.calibration.record.shape[1] == OUTCOMES


def test_probabilities_follow_rankings_that_get_better() -> None:
    """At the first place one like of ten, then nine of ten."""
    rng = np.random.default_rng(9)
    calibration = Calibration()
    for often in [0.1] * 40 + [0.9] * 20:
        came = np.where(rng.random(RECALIBRATED) < often, 0, UNRANKED)
        calibration.observe(np.full(RECALIBRATED, 10), came, *np.full((2, RECALIBRATED), 30))
        calibration.recalibrate()
    assert calibration.table[10, 0] == pytest.approx(0.9, abs=0.03)


def test_probabilities_change_after_doublings_then_at_fixed_places_of_the_log() -> None:
    changes = [0]
    while changes[-1] < 5 * RECALIBRATED:
        changes.append(next_recalibration(changes[-1]))
    assert changes == [0, 32, 64, 128, *(RECALIBRATED * k for k in range(1, 6))]
    assert all(next_recalibration(n) == min(c for c in changes if c > n) for n in range(changes[-1]))


# Of a world in which each place far out and each thing in no place is as likely as it weighs.
WEIGHT = np.array([12.0, 8.0, 5.0, 3.0, 2.0, 1.0, 0.5, 0.1])


def far_likes(rng: np.random.Generator, n: int, most: int) -> tuple[np.ndarray, ...]:
    """Half of all likes at the first place, the others far out: clearness, outcome, candidates, unranked."""
    candidates, unranked = rng.integers(TOP, most, n), rng.integers(1, 4000, n)
    came = np.zeros(n, np.int64)
    for i in np.flatnonzero(rng.random(n) < 0.5):
        mass = WEIGHT * [size_of(group, candidates[i], unranked[i]) for group in range(len(WEIGHT))]
        came[i] = TOP + rng.choice(len(WEIGHT), p=mass / mass.sum())
    return np.full(n, 9), came, candidates, unranked


def test_what_a_place_far_out_weighs_is_learnt_from_rankings_that_reach_more_or_less() -> None:
    rng, calibration = np.random.default_rng(11), Calibration()
    found = []
    for time in range(300):
        calibration.observe(*far_likes(rng, RECALIBRATED, 2500))
        calibration.recalibrate()
        if time >= 50:
            found.append(calibration.weight[9] / calibration.weight[9, 0])
    assert np.mean(found, axis=0) == pytest.approx(WEIGHT / WEIGHT[0], rel=0.2)
    # A short ranking is stated to hold as little of a far group as it reaches of it.
    clear, came, candidates = np.full(2, 9), outcome(np.array([641, 641])), np.array([650, 1280])
    one = calibration.stated(clear, came, candidates, np.full(2, 100))
    assert 10 * one[0] < 640 * one[1] / 5


@given(st.integers(0, 3), st.integers(0, 2000), st.integers(1, 3000))
def test_all_places_and_what_is_in_none_are_certain(seed: int, candidates: int, unranked: int) -> None:
    calibration = Calibration()
    for size in (32, 32, 64):
        calibration.observe(*far_likes(np.random.default_rng(seed), size, 700))
        calibration.recalibrate()
    for clear in (0, 9, CLEARNESSES - 1):
        came = outcome(np.arange(candidates + 1))
        same = (np.full(candidates + 1, column) for column in (candidates, unranked))
        stated = calibration.stated(np.full(candidates + 1, clear), came, *same)
        assert stated.sum() == pytest.approx(1.0)
        assert (stated > 0).all()


def test_how_much_is_liked_again_does_not_depend_on_how_much_is_in_no_place() -> None:
    """A person with few candidates and one with many, both of whom like again what they liked."""
    model = learnt(3000, 3)
    said = []
    for user in model.users.ids[:6]:
        own = {model.items.ids[i] for i in own_of(model, user)}
        said.append(sum(next_like(model, user, item).p_history[0] for item in own))
    share = shares_of(model.shares.learnt)
    assert said == pytest.approx(np.full(len(said), (1 - share[NEW]) * share[AGAIN]))


def own_of(model: CoPreference, user: str) -> list[int]:
    histories, number = model.store.histories, model.users.numbers[user]
    first = histories.start[number]
    held: list[int] = histories.item[first : first + histories.length[number]].tolist()
    return held
