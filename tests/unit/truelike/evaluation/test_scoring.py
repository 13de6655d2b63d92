"""Measures and rivals of the evaluation of detection, on streams small enough to reckon by hand."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import frames, schemas
from shared.events import UNLIKE
from shared.frames import Frame, to_output
from shared.labels import AGENT, BOT, HUMAN, SUSPECT
from shared.topics import TRUSTED_LIKES, VERDICTS
from truelike.evaluation import scoring
from truelike.evaluation.columns import Likes, joined, likes, names
from truelike.evaluation.detection_rivals import RIVALS, coortweet, fraudar, midas
from truelike.evaluation.detection_rivals.rival import TooMany, edges_of
from truelike.evaluation.feeding import Weights, as_batch, of_batch


def bools(*values: int) -> np.ndarray:
    return np.array(values, np.bool_)


def test_precision_and_recall_and_nobody_called() -> None:
    assert scoring.precision_recall(bools(1, 1, 0, 0), bools(1, 0, 1, 1)) == (0.5, 1 / 3)
    assert scoring.precision_recall(bools(0, 0), bools(1, 0)) == (None, 0.0)
    assert scoring.precision_recall(bools(1, 0), bools(0, 0)) == (0.0, None)


def test_average_precision_by_hand() -> None:
    # 1 of 1 at recall 1/2, then 2 of 3 at recall 1.
    assert scoring.average_precision(np.array([0.9, 0.8, 0.7]), bools(1, 0, 1)) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert scoring.average_precision(np.array([1.0, 2.0]), bools(0, 0)) is None


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=20), st.randoms())
def test_average_precision_does_not_depend_on_the_order_of_ties(rows: list, random: object) -> None:
    if not any(true for _, true in rows):
        rows = [*rows, (1, True)]
    score, true = np.array([r[0] for r in rows], float), bools(*(r[1] for r in rows))
    shuffled = np.random.default_rng(1).permutation(len(rows))
    one = scoring.average_precision(score, true)
    assert one == pytest.approx(scoring.average_precision(score[shuffled], true[shuffled]))
    # Who says the same of everybody is as precise as chance.
    assert scoring.average_precision(np.zeros(len(rows)), true) == pytest.approx(true.mean())


def test_calibration_by_hand() -> None:
    table = scoring.reliability(np.array([0.02, 0.02, 0.98, 0.98, 1.0]), bools(0, 1, 1, 1, 0))
    assert [row["likes"] for row in table] == [2, 3]
    assert table[0]["people"] == 0.5
    assert scoring.ece(table) == pytest.approx((2 * 0.48 + 3 * abs(2.96 / 3 - 2 / 3)) / 5)
    assert scoring.ece([]) is None
    both = scoring.merged([table, table])
    assert [row["likes"] for row in both] == [4, 6]
    assert scoring.ece(both) == pytest.approx(scoring.ece(table))


def test_an_actor_is_as_bad_as_its_worst_like() -> None:
    label = np.array([HUMAN, BOT, SUSPECT], np.int8)
    worst, least = scoring.by_actor(np.array([0, 0, 2]), 3, label, np.array([0.9, 0.1, 0.6]))
    assert worst.tolist() == [BOT, HUMAN, SUSPECT]
    assert least.tolist() == [0.1, 1.0, 0.6]


def some() -> Likes:
    return likes(
        [1000, 2000, 3000],
        ["a", "b", "a"],
        ["x", "x", "y"],
        creator=["c", "", "c"],
        origin=["", "o", ""],
        created_at=[5, -1, 5],
        unlike=[False, True, False],
    )


def test_columns_become_a_frame_and_come_back() -> None:
    batch = as_batch(some())
    assert batch.schema == schemas.LIKES
    assert batch.column("event_id").to_pylist() == ["0", "1", "2"]
    assert batch.column("action").to_pylist() == [0, UNLIKE, 0]
    assert batch.column("creator_id").to_pylist() == ["c", None, "c"]
    assert batch.column("actor_created_at").to_pylist() == [5, None, 5]
    back = of_batch(batch)
    for name in ("occurred_at", "actor", "target", "creator", "origin", "actor_created_at", "unlike", "came_at"):
        assert getattr(back, name).tolist() == getattr(some(), name).tolist()
    assert not back.fake.any()


def trusted(rows: list[tuple[int, float, int]]) -> frames.Output:
    """A message of trusted-likes.v1: (event, probability, label)."""
    import pyarrow as pa

    batch = as_batch(some()).take(pa.array([n for n, _, _ in rows]))
    given = {
        "human_probability": pa.array([p for _, p, _ in rows], pa.float32()),
        "label": pa.array([label for _, _, label in rows], pa.int8()),
    }
    columns = [
        batch.column(f.name) if f.name in batch.schema.names else given.get(f.name, pa.nulls(len(rows), f.type))
        for f in schemas.TRUSTED_LIKES
    ]
    frame = Frame("trusted-likes", pa.RecordBatch.from_arrays(columns, schema=schemas.TRUSTED_LIKES))
    return to_output(frame, TRUSTED_LIKES, 0)


def test_a_like_weighs_what_was_said_of_it_last_and_nothing_as_a_bots() -> None:
    weights, rows = Weights(3), np.arange(3)
    assert weights.of(rows).tolist() == [1, 1, 1]
    weights.take([trusted([(0, 0.95, HUMAN), (1, 0.5, SUSPECT)]), frames.Output(VERDICTS, b"{}")])
    assert weights.of(rows) == pytest.approx([0.95, 0.5, 1])
    weights.take([trusted([(1, 0.1, BOT)]), trusted([(2, 0.0, AGENT)])])
    assert weights.of(rows) == pytest.approx([0.95, 0, 0])
    assert weights.probability == pytest.approx([0.95, 0.1, 0])


def crew_in(noise: int = 3000) -> tuple[Likes, np.ndarray]:
    """12 accounts that like the same eight targets in ten minutes, each within a second of the others, among 3,000
    people in three days.
    """
    rng = np.random.default_rng(4)
    crew, targets = names("bot", 12), names("t", 8)
    people = likes(
        rng.integers(0, 3 * 86_400_000, noise),
        names("person", 3000)[rng.integers(0, 3000, noise)],
        names("thing", 2000)[rng.integers(0, 2000, noise)],
    )
    starts = 40 * 3_600_000 + np.arange(8) * 75_000
    times = (starts[:, None] + rng.integers(0, 900, (8, 12))).ravel()
    bots = likes(times, np.tile(crew, 8), np.repeat(targets, 12), fake=True)
    both = joined(people, bots)
    return both, np.char.startswith(np.unique(both.actor), "bot")


@pytest.mark.parametrize("name", [name for name in RIVALS if "toolkit" not in name])
def test_rivals_find_a_crew_in_the_noise(name: str) -> None:
    stream, bots = crew_in()
    said = RIVALS[name](edges_of(stream))
    assert scoring.average_precision(said.score, bots) > 0.9
    if said.called is not None:
        precision, recall = scoring.precision_recall(said.called, bots)
        assert recall == 1.0
        assert precision is not None
        assert precision > 0.9


def test_coortweets_rule_by_hand() -> None:
    made = likes(
        [0, 9_000, 100_000, 110_000, 200_000, 211_000, 300_000, 301_000],
        ["a", "b", "a", "b", "a", "c", "a", "c"],
        ["x", "x", "y", "y", "z", "z", "z", "z"],
    )
    ten = coortweet.score(edges_of(made), 10_000)
    assert ten.score.tolist() == [2, 2, 1]
    assert ten.called is not None
    assert ten.called.tolist() == [True, True, False]
    # z twice is one target, and the like itself is no one else's.
    assert coortweet.score(edges_of(made), 11_000).score.tolist() == [2, 2, 1]
    assert coortweet.score(edges_of(made), 8_000).score.tolist() == [1, 0, 1]


def test_coortweet_says_so_where_there_are_too_many_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coortweet, "MOST_PAIRS", 10)
    with pytest.raises(TooMany, match="pairs of likes within 10 s"):
        coortweet.score(edges_of(crew_in()[0]), 10_000)


def test_fraudar_peels_as_the_plain_algorithm_does() -> None:
    rng = np.random.default_rng(2)
    actor, target = rng.integers(0, 12, 60), rng.integers(0, 9, 60)
    edges = edges_of(likes(np.arange(60), names("a", 12)[actor], names("t", 9)[target]))
    pairs = {(a, edges.actors + t) for a, t in zip(edges.actor.tolist(), edges.target.tolist(), strict=True)}
    degree = {t: sum(1 for _, other in pairs if other == t) for _, t in pairs}
    weight = {(a, t): 1 / np.log(5 + degree[t]) for a, t in pairs}
    alive, best, block = set(range(edges.actors + edges.targets)), -1.0, set()
    while alive:
        inside = {p: w for p, w in weight.items() if p[0] in alive and p[1] in alive}
        if sum(inside.values()) / len(alive) > best + 1e-12:
            best, block = sum(inside.values()) / len(alive), set(alive)
        left = {n: sum(w for p, w in inside.items() if n in p) for n in alive}
        alive.remove(min(alive, key=lambda n: (round(left[n], 9), n)))
    called = fraudar.score(edges).called
    assert called is not None
    mine = {n for n in range(edges.actors) if called[n]}
    assert mine == {n for n in block if n < edges.actors}


def test_midas_scores_a_burst_as_the_paper_says() -> None:
    # One edge a tick for ten ticks, then five in the eleventh.
    times = np.r_[np.arange(10) * midas.TICK_MS, np.full(5, 10 * midas.TICK_MS)]
    edges = edges_of(likes(times, "a", "x"))
    now, total, best = 0.0, 0.0, 0.0
    last = 1
    for tick in (times // midas.TICK_MS + 1).tolist():
        now = now * 0.5 ** (tick - last) + 1
        total, last = total + 1, tick
        if tick > 1:
            best = max(best, (now - total / tick) ** 2 * tick**2 / (total * (tick - 1)))
    assert midas.score(edges).score.tolist() == pytest.approx([best])


def test_the_toolkit_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("coordination_network_toolkit", "coordination_network_toolkit.compute_networks"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError):
        RIVALS["coordination-network-toolkit, 60 s"](edges_of(crew_in()[0]))
