"""Levels of how liked things are, and what is forecast of a like by popularity through them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.predictor.forecasts import Shares
from services.predictor.levels import LAST, THINGS, WEIGHT, by_level, level_of, move, new_levels, recount
from services.predictor.model import CoPreference
from services.predictor.ranking import new_places
from services.predictor.trending import MONTH
from tests.likes import START_MS


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 9), st.integers(1, 600))
def test_by_popularity_that_is_so_whatever_was_liked_taken_back_and_corrected(seed: int, likes: int) -> None:
    model = after_likes_and_corrections(seed, likes)
    model.shares.by_level[:] = np.random.default_rng(seed).gamma(1.0, 100.0, model.shares.by_level.shape)
    known = len(model.items.ids)
    stated = [p_popular_of_next(model, item) for item in [*model.items.ids, "never seen"]]
    assert sum(stated) + known * stated[-1] == pytest.approx(1.0, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), st.integers(1, 600))
def test_what_is_at_each_level_is_what_counting_finds(seed: int, likes: int) -> None:
    rates = after_likes_and_corrections(seed, likes).rates
    counted = new_levels()
    recount(counted, rates.value[MONTH])
    assert rates.levels[THINGS].tolist() == counted[THINGS].tolist()
    assert rates.levels[WEIGHT] == pytest.approx(counted[WEIGHT], rel=1e-9)
    assert rates.total[MONTH] == pytest.approx(counted[WEIGHT].sum(), rel=1e-9)


def after_likes_and_corrections(seed: int, n: int) -> CoPreference:
    """Of 30 things, within up to four years; a tenth of them taken back, as many corrected, some users forgotten."""
    rng, model = np.random.default_rng(seed), CoPreference()
    users = pa.array([f"u{u}" for u in rng.integers(0, 8, n)])
    items = pa.array([f"i{int(30 * x**3)}" for x in rng.random(n)])
    times = START_MS + np.cumsum(rng.exponential(rng.choice([1e5, 1e7, 2e8]), n)).astype(np.int64)
    trust, unlike = rng.choice([0.0, 0.35, 1.0], n), rng.random(n) < 0.1
    for part in np.array_split(np.arange(n), 5):
        rows = users.take(part), items.take(part), times[part]
        model.score_and_learn(*rows, trust[part], unlike[part])
        again = part[~unlike[part] & (rng.random(len(part)) < 0.1)]
        numbers = model.users.find(users.take(again)), model.items.find(items.take(again))
        model.reweigh(*numbers, times[again], rng.choice([0.0, 0.7], len(again)))
    model.forget(["u1", "u2"])
    return model


def p_popular_of_next(model: CoPreference, item: str) -> float:
    """What would be said of the second like of somebody who comes."""
    copy = CoPreference()
    copy.restore(model.snapshot())
    users, items = pa.array(["who", "who"]), pa.array([model.items.ids[0], item])
    when = np.full(2, copy.rates.time[0])
    copy.score_and_learn(users[:1], items[:1], when[:1], np.ones(1))
    return float(copy.score_and_learn(users[1:], items[1:], when[1:], np.ones(1)).p_popular[0])


def test_levels_are_doublings_of_a_share() -> None:
    levels, weights = new_levels(), [0.0, 1.0, 1.5, 4.0, 1e-6, 1e-30, 2.0**-500]
    recount(levels, np.array(weights))
    total = sum(weights)
    assert [level_of(weight, total) for weight in weights] == [LAST, 2, 2, 0, LAST, LAST, LAST]
    shares, things = np.zeros((2, LAST))
    by_level(levels, total, shares, things)
    assert (shares[0], shares[2]) == (pytest.approx(4.0 / total), pytest.approx(2.5 / total))
    assert things.tolist() == [1, 0, 2, *[0] * (LAST - 3)]
    # Nothing is left of what goes.
    for weight in weights:
        move(levels, weight, 0.0)
    assert not levels.any()


def test_what_is_liked_less_than_its_share_is_learnt_by_level() -> None:
    """Half of all likes were of one thing; of the next ones three in ten are. The other half was of 50 things."""
    n, rng = 20_000, np.random.default_rng(3)
    most, places, shares = rng.random(n) < 0.3, new_places(n), Shares()
    places.rank[:], places.level[:] = 1, np.where(most, 1, 7)
    places.popularity[:] = np.where(most, 0.5, 0.01)
    for level, things in ((1, 1), (7, 50)):
        places.level_shares[:, level], places.level_things[:, level] = 0.5, things
    stated = shares.observe(places, np.full(n, 51), np.zeros(n, np.bool_)).p_popular[n // 2 :]
    assert stated[most[n // 2 :]].mean() == pytest.approx(0.3, rel=0.05)
    assert stated[~most[n // 2 :]].mean() == pytest.approx(0.7 / 50, rel=0.05)
