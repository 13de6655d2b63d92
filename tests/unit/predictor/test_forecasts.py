"""How probable each like was before it came, by popularity and by history."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from services.predictor.forecasts import FirstLikes, by_popularity
from services.predictor.model import CoPreference
from services.predictor.ranking import MONTH
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


def test_by_popularity_is_a_distribution_over_the_catalogue() -> None:
    users, items, times = stream(3000, 1)
    model = CoPreference()
    model.score_and_learn(users, items, times, np.ones(3000, np.float32))
    known = len(model.items.ids)
    share = model.rates.value[MONTH, :known] / model.rates.total[MONTH]
    of_new = np.full(known, model.first_likes.observe(np.zeros(1, np.bool_))[0])
    assert by_popularity(share, of_new, np.full(known, known)).sum() == pytest.approx(1.0)


def test_what_was_forecast_by_popularity_came_true_as_often() -> None:
    """Expected calibration error over the whole catalogue, at likes that lie apart."""
    users, items, times = stream(6000, 2)
    model, stated, came = CoPreference(), [], []
    for start in range(0, 6000, 20):
        if start >= 1000:
            known = len(model.items.ids)
            share = model.rates.value[MONTH, :known] / model.rates.total[MONTH]
            now = (model.first_likes.first + 1) / (model.first_likes.likes + 2)
            stated.append(by_popularity(share, np.full(known, now), np.full(known, known)))
            came.append(model.items.find(items.slice(start, 1))[0] == np.arange(known))
        part = slice(start, start + 20)
        model.score_and_learn(users[part], items[part], times[part], np.ones(20, np.float32))
    p, hit = np.concatenate(stated), np.concatenate(came)
    bins = (np.sqrt(p) * 40).astype(int)
    error = np.abs(np.bincount(bins, p) - np.bincount(bins, hit)).sum()
    assert error / len(stated) < 0.2
    assert error / len(p) <= 0.02


def test_forecasts_do_not_depend_on_batches_or_a_restart() -> None:
    users, items, times = stream(2000, 3)
    whole, ones = CoPreference(), np.ones(2000, np.float32)
    expected = whole.score_and_learn(users, items, times, ones)
    first, found = CoPreference(), []
    for start, stop in ((0, 700), (700, 1300), (1300, 2000)):
        model = CoPreference()
        model.restore(first.snapshot())
        scored = model.score_and_learn(users[start:stop], items[start:stop], times[start:stop], ones[start:stop])
        found.append(scored)
        first = model
    assert np.concatenate([s.p_popular for s in found]).tolist() == expected.p_popular.tolist()
    assert np.concatenate([s.p_history for s in found]).tolist() == expected.p_history.tolist()
    assert (expected.p_history <= 1).all()
    assert (expected.p_popular > 0).all()
