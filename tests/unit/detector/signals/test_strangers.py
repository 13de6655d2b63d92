from __future__ import annotations

from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.signals.signal import Findings, Rows, joined
from services.detector.signals.strangers import GRACE_MS, WINDOW_MS, Strangers
from tests.signal_rows import Likes, ids, named, platform
from tests.signal_rows import observed as in_frames

BEGIN = 80_000 * WINDOW_MS


def rows_of(likes: list[tuple[int, int, int, bool]]) -> Rows:
    """(time, actor, target, settled) in any order."""
    time, actor, target, settled = (np.array(column) for column in zip(*sorted(likes), strict=True))
    n, zero = len(time), np.zeros(len(time), np.int64)
    ids = (actor.astype(np.uint64), target.astype(np.uint64), np.zeros(n, np.uint64), np.zeros(n, np.uint64))
    return Rows(
        time,
        *ids,
        np.zeros(n, np.bool_),
        zero - 1,
        time,
        zero + 1,
        np.zeros((n, 4), np.int64),
        settled.astype(np.bool_),
    )


def stream(strange: float, seed: int = 1) -> list[tuple[int, int, int, bool]]:
    """Ten days of 300 likes each on 20 targets, such a share of them strangers', and a crowd of 60 strangers on target
    99 on the seventh day.
    """
    rng = np.random.default_rng(seed)
    likes = []
    for n, time in enumerate(np.sort(rng.integers(0, 10 * GRACE_MS, 3000)).tolist()):
        likes.append((BEGIN + time, 1 + n, int(rng.integers(1, 20)), False))
        if rng.random() < strange:
            likes.append((BEGIN + time, 1 + n, likes[-1][2], True))
    crowd = BEGIN + 6 * GRACE_MS + rng.integers(0, WINDOW_MS, 60)
    for n, time in enumerate(crowd.tolist()):
        likes += [(time, 10_000 + n, 99, False), (time, 10_000 + n, 99, True)]
    return likes


def observed(likes: list[tuple[int, int, int, bool]], cuts: list[int]) -> tuple[Findings, Strangers]:
    """As they come: settled ones a day later; the watermark stands at each cut (hours)."""
    signal, found, before = Strangers(10_000), [], -1
    for cut in [*sorted(set(cuts)), 24 * 14]:
        now = BEGIN + cut * 3_600_000
        due = [r for r in likes if before <= r[0] + GRACE_MS * r[3] < now]
        before = now
        if due:
            found.append(signal.observe(rows_of(due), now))
    return joined(found), signal


def test_a_crowd_of_strangers_is_found_and_nothing_else_of_anybody() -> None:
    found, _ = observed(stream(0.02), list(range(0, 24 * 12, 6)))
    assert set(found.actor.tolist()) == set(range(10_000, 10_060))
    assert set(found.target.tolist()) == {99}
    assert found.convicts.all()
    assert found.value[0] == 60 > 10 * found.baseline[0]


def test_where_most_are_strangers_they_are_no_crowd() -> None:
    found, _ = observed(stream(0.7), list(range(0, 24 * 12, 6)))
    assert len(found) == 0 or not found.convicts.any()


def test_what_spreads_to_regulars_too_does_not_convict_where_newcomers_are_usual() -> None:
    regulars = [(t, a + 20_000, x, False) for t, a, x, settled in stream(0.25) if x == 99 and not settled][:9]
    alone, _ = observed(stream(0.25), list(range(0, 24 * 12, 6)))
    spread, _ = observed(stream(0.25) + regulars, list(range(0, 24 * 12, 6)))
    of_alone, of_spread = alone.target == 99, spread.target == 99
    assert of_alone.sum() == of_spread.sum() == 60
    assert alone.convicts[of_alone].all()
    assert not spread.convicts[of_spread].any()


def test_newcomers_who_stay_are_no_strangers() -> None:
    likes = [(t, a, x, settled) for t, a, x, settled in stream(0.02) if not (settled and a >= 10_000)]
    found, _ = observed(likes, list(range(0, 24 * 12, 6)))
    assert len(found) == 0


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 24 * 13), max_size=6))
def test_batches_do_not_matter(cuts: list[int]) -> None:
    likes = stream(0.05, seed=3)
    (found, signal), (other, again) = observed(likes, cuts), observed(likes, [])
    for f in fields(Findings):
        assert np.array_equal(*(np.sort(getattr(one, f.name)) for one in (found, other))), f.name
    snapshots = signal.snapshot(), again.snapshot()
    assert all(np.array_equal(snapshots[0][name], snapshots[1][name]) for name in snapshots[0])


def test_a_snapshot_goes_on_where_it_was_and_the_forgotten_are_gone() -> None:
    likes = stream(0.02)
    _, signal = observed([r for r in likes if r[0] < BEGIN + 7 * GRACE_MS], [24 * 7])
    other = Strangers(10_000)
    other.restore(signal.snapshot())
    assert all(np.array_equal(signal.snapshot()[n], other.snapshot()[n]) for n in signal.snapshot())
    other._strangers = np.array([[5, 10_000, 99]], np.uint64)
    other._times = np.array([BEGIN])
    other.forget(np.array([10_000], np.uint64))
    assert 10_000 not in other.snapshot()["strangers"]


def visitors(rng: np.random.Generator) -> Likes:
    """240 posts in three days and more, each with a few likers, most of them known; one of twelve spreads to many of
    whom 85 % come for it alone."""
    posts = []
    for post in range(240):
        spreads = post % 12 == 11
        n = int(rng.integers(80, 200)) if spreads else 20
        strange = rng.random(n) < (0.85 if spreads else rng.uniform(0.0, 0.2))
        members = np.array([f"person{i}" for i in rng.integers(0, 1500, n)], object)
        who = np.where(strange, named(f"visitor{post}-", n), members)
        posts.append(Likes.of(24 + post * 0.3 + rng.exponential(0.5, n), who, f"post{post}"))
    return sum(posts, platform(3, likes=3000, hours=96.0))


def test_where_things_spread_to_strangers_only_nothing_but_strangers_are_a_crowd() -> None:
    rng = np.random.default_rng(3)
    likes = visitors(rng)
    fakes = Likes.of(90 + rng.uniform(0.1, 5.8, 200), named("fake", 200), "pushed")
    assert len(in_frames(Strangers(), likes.rows())) == 0
    found = in_frames(Strangers(), (likes + fakes).rows())
    assert set(found.actor.tolist()) == set(ids(fakes.actor).tolist())
