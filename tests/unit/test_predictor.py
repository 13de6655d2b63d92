from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from services.predictor.calibration import Calibration
from services.predictor.histories import HistoryStore
from services.predictor.model import CoPreference
from services.predictor.ranking import PAIRED, PAIRED_HALVING, REMEMBERED, TOP

Rows = list[tuple[int, int]]
rows = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), min_size=1, max_size=120)


def learn(model: CoPreference, likes: Rows, trust: list[float] | None = None, first: int = 0) -> list[int]:
    weights = np.array(trust if trust is not None else [1.0] * len(likes), np.float32)
    times = np.arange(first, first + len(likes), dtype=np.int64)
    users, items = pa.array([f"u{u}" for u, _ in likes]), pa.array([f"i{i}" for _, i in likes])
    return model.score_and_learn(users, items, times, weights).ranks.tolist()


def plain(likes: Rows) -> dict[tuple[int, int], float]:
    """Pair weights as the definition says, one like at a time."""
    history: dict[int, list[int]] = {}
    weights: dict[tuple[int, int], float] = {}
    for user, item in likes:
        past = history.setdefault(user, [])
        for back, other in enumerate(reversed(past[-PAIRED:])):
            if other != item:
                for pair in ((item, other), (other, item)):
                    weights[pair] = weights.get(pair, 0.0) + 2 ** (-back / PAIRED_HALVING)
        past.append(item)
    return weights


@settings(max_examples=40)
@given(rows)
def test_pair_weights_follow_the_definition(likes: Rows) -> None:
    model = CoPreference()
    learn(model, likes)
    expected = plain(likes)
    for item in {i for _, i in likes}:
        found = dict(model.neighbours_of(f"i{item}", most=100))
        want = {f"i{b}": w for (a, b), w in expected.items() if a == item}
        assert found.keys() == want.keys()
        assert all(abs(found[k] - want[k]) < 1e-3 for k in want)


@settings(max_examples=40)
@given(rows, st.lists(st.integers(0, 120), max_size=6))
def test_the_cut_changes_neither_scores_nor_model(likes: Rows, cuts: list[int]) -> None:
    whole, parts = CoPreference(), CoPreference()
    ranks = learn(whole, likes)
    found: list[int] = []
    edges = sorted({c for c in cuts if 0 < c < len(likes)})
    for start, stop in zip([0, *edges], [*edges, len(likes)], strict=True):
        found += learn(parts, likes[start:stop], first=start)
    assert found == ranks
    assert whole.report() == parts.report() or all(
        abs(whole.report()[k] - parts.report()[k]) < 1e-9 for k in whole.report()
    )
    users = pa.array([f"u{u}" for u, _ in likes])
    assert whole.predict(users) == parts.predict(users)


@settings(max_examples=25)
@given(rows, rows)
def test_a_restored_model_goes_on_as_if_nothing_had_happened(before: Rows, after: Rows) -> None:
    model, copy = CoPreference(), CoPreference()
    learn(model, before)
    copy.restore(model.snapshot())
    assert learn(copy, after, first=500) == learn(model, after, first=500)
    assert copy.report() == model.report()


TRUST = st.sampled_from([0.0, 0.25, 1.0])
trusted_rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12), TRUST), min_size=1, max_size=150)


def rankings(model: CoPreference) -> dict[str, dict[str, float]]:
    """Each user's scores of the items ranked by co-preference, by id: free of the order among equals."""
    found = {}
    for number, user in enumerate(model.users.ids):
        if not user:
            continue
        numbers, scores, _ = model.ranked(np.array([number]))
        found[user] = {model.items.ids[i]: s for i, s in zip(numbers[0], scores[0], strict=True) if s > 1e-6}
    return found


def assert_same(found: CoPreference, expected: CoPreference) -> None:
    """Equal neighbours, popularity and rankings; equal scores may stand in any order, at the cut only some."""
    for item in expected.items.ids:
        numbers = found.items.numbers[item], expected.items.numbers[item]
        assert abs(found.lists.total[numbers[0]] - expected.lists.total[numbers[1]]) < 1e-6
        want = dict(expected.neighbours_of(item, most=100))
        have = dict(found.neighbours_of(item, most=100))
        assert have.keys() == want.keys()
        assert all(abs(have[k] - want[k]) < 1e-3 for k in want)
    have_all = rankings(found)
    for user, want in rankings(expected).items():
        have = have_all[user]
        assert np.allclose(sorted(have.values()), sorted(want.values()), rtol=1e-3, atol=1e-9)
        assert all(abs(have[i] - want[i]) < 1e-3 * want[i] + 1e-9 for i in have.keys() & want.keys())


def run(likes: list[tuple[int, int, float]], unlikes: dict[int, tuple[int, int]] | None = None) -> CoPreference:
    """A model after these likes, one frame; `unlikes[k]` comes just before like k."""
    log: list[tuple[int, int, float, bool]] = []
    for k, (user, item, trust) in enumerate(likes):
        if unlikes and k in unlikes:
            log.append((*unlikes[k], 1.0, True))
        log.append((user, item, trust, False))
    model = CoPreference()
    model.score_and_learn(
        pa.array([f"u{row[0]}" for row in log]),
        pa.array([f"i{row[1]}" for row in log]),
        np.arange(len(log)),
        np.array([row[2] for row in log], np.float32),
        np.array([row[3] for row in log]),
    )
    return model


@settings(max_examples=60)
@given(trusted_rows, st.data())
def test_after_corrections_all_is_as_if_the_likes_had_always_had_that_trust(
    likes: list[tuple[int, int, float]], data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.integers(0, len(likes) - 1), unique=True, max_size=40))
    now = list(likes)
    for k in places:
        now[k] = (likes[k][0], likes[k][1], data.draw(TRUST))
    model = run(likes)
    missing = model.reweigh(
        pa.array([f"u{likes[k][0]}" for k in places], pa.string()),
        pa.array([f"i{likes[k][1]}" for k in places], pa.string()),
        np.array(places, np.int64),
        np.array([now[k][2] for k in places], np.float32),
    )
    assert missing == 0
    assert_same(model, run(now))


@settings(max_examples=60)
@given(trusted_rows, st.sets(st.integers(0, 149), max_size=60))
def test_likes_without_trust_leave_everything_as_if_they_had_never_been(
    likes: list[tuple[int, int, float]], never: set[int]
) -> None:
    without = [row for k, row in enumerate(likes) if k not in never]
    model = run([(u, i, 0.0 if k in never else t) for k, (u, i, t) in enumerate(likes)])
    if without:
        assert_same(model, run(without))


@settings(max_examples=60)
@given(trusted_rows, st.integers(0, 149), st.integers(0, 3), st.integers(0, 12))
def test_an_unlike_takes_back_the_users_likes_of_the_item(
    likes: list[tuple[int, int, float]], at: int, user: int, item: int
) -> None:
    at = min(at, len(likes) - 1)
    never = [row for k, row in enumerate(likes) if k >= at or row[:2] != (user, item)]
    assert_same(run(likes, {at: (user, item)}), run(never))


@settings(max_examples=40)
@given(trusted_rows, st.integers(0, 3))
def test_a_forgotten_user_has_taught_nothing(likes: list[tuple[int, int, float]], user: int) -> None:
    model = run(likes)
    count = sum(row[0] == user for row in likes)
    assert model.forget([f"u{user}", "nobody"]) == count
    assert model.forget([f"u{user}"]) == 0
    without = [row for row in likes if row[0] != user]
    if without:
        assert_same(model, run(without))
    copy = CoPreference()
    copy.restore(model.snapshot())
    assert f"u{user}" not in copy.users.numbers


def test_a_correction_after_an_unlike_does_not_bring_the_like_back() -> None:
    likes = [(0, 1, 1.0), (0, 2, 1.0), (0, 3, 1.0)]
    model = run(likes, {2: (0, 1)})
    assert model.reweigh(pa.array(["u0"]), pa.array(["i1"]), np.array([0]), np.ones(1, np.float32)) == 1
    assert_same(model, run(likes[1:]))


def test_bots_likes_weigh_nothing_and_are_not_scored() -> None:
    model = CoPreference()
    assert learn(model, [(0, 1), (0, 2), (0, 3)], trust=[0, 0, 0]) == []
    assert model.neighbours_of("i1") == []


def test_a_ranking_leaves_out_what_was_liked_and_fills_newcomers_with_what_is_popular() -> None:
    model = CoPreference()
    learn(model, [(u, i) for u in range(8) for i in (1, 2, 3)])
    learn(model, [(9, 1)], first=100)
    (prediction,) = model.predict(pa.array(["u9"]))
    assert prediction.items[:2] == ["i3", "i2"] or prediction.items[:2] == ["i2", "i3"]
    assert "i1" not in prediction.items
    (newcomer,) = model.predict(pa.array(["nobody"]))
    assert set(newcomer.items) == {"i1", "i2", "i3"}
    assert len(model.probabilities()) == TOP
    assert sum(model.probabilities()) < 1


def test_probabilities_are_calibrated_on_a_stream_with_structure() -> None:
    rng = np.random.default_rng(5)
    likes = [(int(u), int((u % 4) * 8 + rng.integers(8))) for u in rng.integers(0, 40, 6000)]
    model, calibration = CoPreference(), Calibration()
    for start in range(0, len(likes), 500):
        calibration.observe(np.array(learn(model, likes[start : start + 500], first=start), np.int64))
    assert calibration.ece() < 0.02


@settings(max_examples=40)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=700), min_size=1, max_size=8))
def test_histories_hold_each_users_latest_likes_however_they_move(batches: list[list[int]]) -> None:
    """A user's room grows, moves and closes up; what it holds is what came, the oldest half leaving at the bound."""
    store = HistoryStore()
    expected: dict[int, list[int]] = {}
    number = 0
    for batch in batches:
        store.add_users(4)
        store.reserve(np.array(batch, np.int64))
        h = store.histories
        for user in batch:
            own = expected.setdefault(user, [])
            if len(own) == REMEMBERED:
                del own[: REMEMBERED // 2]
                at = slice(h.start[user], h.start[user] + REMEMBERED // 2)
                h.item[at] = own
            own.append(number)
            h.item[h.start[user] + len(own) - 1] = number
            h.length[user] = len(own)
            number += 1
        restored = HistoryStore()
        restored.restore(store.snapshot(4))
        for kept in (store, restored):
            for user, own in expected.items():
                start = int(kept.histories.start[user])
                assert kept.histories.item[start : start + len(own)].tolist() == own


def test_a_user_with_more_likes_than_are_remembered_stays_bounded() -> None:
    model = CoPreference()
    items = 3 * REMEMBERED
    learn(model, [(0, i) for i in range(items)])
    snapshot = model.snapshot()
    assert REMEMBERED // 2 <= snapshot["history.lengths"][0] <= REMEMBERED
    (prediction,) = model.predict(pa.array(["u0"]))
    assert not {f"i{i}" for i in range(items - REMEMBERED // 2, items)} & set(prediction.items)
