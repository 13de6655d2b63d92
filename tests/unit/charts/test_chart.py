"""What is said of a chart, and that planted bots move the raw one only."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from services.charts.chart import Chart
from services.charts.counts import ChartKey
from services.charts.limits import ChartLimits
from services.charts.periods import start_of
from services.charts.rank_overlap import Ranking, rank_biased_overlap
from services.charts.task import ChartsTask
from shared.labels import BOT, HUMAN
from shared.schemas import TRUSTED_LIKES
from tests.likes import START_MS
from tests.unit.charts.made import Rows, correction, fed, like

HOUR = ChartKey("hour", start_of("hour", START_MS), "target")


def likes_of(counts: dict[str, int], first: int = 0, **more: Any) -> Rows:
    names = [name for name, count in counts.items() for _ in range(count)]
    return [like(first + n, f"u{first + n}", name, **more) for n, name in enumerate(names)]


def said(task: ChartsTask, size: int = 50, key: ChartKey = HOUR) -> Chart:
    found = task.chart(key, size)
    assert found is not None
    return found


def test_a_target_that_bots_push_falls_among_people() -> None:
    people = likes_of({"a": 5, "b": 4, "c": 2}, human_probability=1.0)
    bots = likes_of({"c": 6}, 100, label=BOT, human_probability=0.0, content_origin=2)
    chart = said(fed([people + bots]), 2)
    found = [(e.id, e.rank, e.human_rank, e.moved, e.likes, e.human_weight) for e in chart.entries]
    assert found == [("c", 1, 3, -2, 8, 2.0), ("a", 2, 1, 1, 5, 5.0), ("b", 3, 2, 1, 4, 4.0)]
    assert chart.entries[0].from_machines == 0.75
    assert chart.entries[0].origins == {"unknown": 0, "human": 2, "ai": 6, "mixed": 0}
    assert (chart.n, chart.human_weight, chart.entries_in_all, chart.slots_changed) == (17, 11.0, 3, 1)
    assert chart.overlap == rank_biased_overlap(Ranking.of(["c", "a"]), Ranking.of(["a", "b"]))
    # Only one is in both tops: nothing is ordered.
    assert chart.tau_b is None
    assert said(fed([people + bots])).tau_b == pytest.approx(-1 / 3)
    assert chart.ai_liked == pytest.approx(6 / 17)
    assert chart.not_human == pytest.approx(6 / 17)


def test_what_is_declared_of_origin_bounds_what_is_ai_made() -> None:
    rows = [like(n, f"u{n}", "song", content_origin=n % 4, human_probability=1.0) for n in range(8)]
    rows[2] |= {"label": BOT}
    chart = said(fed([rows]))
    assert chart.ai_made is not None
    assert chart.human_ai_made is not None
    assert (chart.ai_made.low, chart.ai_made.high, chart.ai_made.mixed, chart.ai_made.unknown) == (
        0.25,
        0.5,
        0.25,
        0.25,
    )
    assert (chart.human_ai_made.low, chart.human_ai_made.high) == (pytest.approx(1 / 7), pytest.approx(3 / 7))


def test_equal_scores_are_one_rank_in_the_order_of_their_ids() -> None:
    chart = said(fed([likes_of({"b": 2, "c": 2, "a": 2, "d": 1})]), 2)
    assert [(e.id, e.rank, e.human_rank) for e in chart.entries] == [("a", 1, 1), ("b", 1, 1)]


def test_who_moved_is_known_as_far_as_the_rank_sets_allow() -> None:
    chart = said(fed([likes_of({"a": 400, "b": 100, "c": 90})]))
    assert [e.human_ranks for e in chart.entries] == [(1, 1), (2, 3), (2, 3)]


def test_a_sketch_says_how_much_it_may_lack_and_whether_that_matters() -> None:
    limits = ChartLimits(148, 2_000, segments=1, kept_ms=(0, 0, 0))
    few = likes_of({"a": 90, "b": 60, "c": 50})
    many = likes_of({f"rest{n}": 1 for n in range(300)}, 1_000)
    chart = said(fed([few + many], limits), 3)
    assert (chart.exact, chart.top_is_sure) == (False, True)
    assert [(e.id, e.likes, e.missed) for e in chart.entries] == [("a", 90, 0), ("b", 60, 0), ("c", 50, 0)]
    assert 0 < chart.error < 50
    assert chart.n == 500
    # Of what comes below nothing is sure.
    assert not said(fed([few + many], limits), 9).top_is_sure
    assert said(fed([few + many]), 9).top_is_sure
    assert said(fed([few + many]), 9).exact


def test_a_chart_of_what_was_all_taken_back_has_no_entries_and_no_shares() -> None:
    row = like(1, "ann", "song")
    task = fed([[row], ["ann"]])
    chart = said(task)
    assert (chart.n, chart.entries, chart.ai_made, chart.ai_liked, chart.tau_b) == (0, (), None, None, None)
    assert task.chart(ChartKey("day", 0, "target")) is None


def test_a_chart_is_json() -> None:
    row = like(1, "ann", "song", topic="jazz")
    task = fed([[row, correction(row, 0.5)]])
    key = ChartKey("week", start_of("week", START_MS), "creator", "topic", "jazz")
    found = msgspec.json.decode(msgspec.json.encode(said(task, key=key).described()))
    assert (found["period"], found["name"], found["segment"], found["of"]) == ("week", "2026-W01", "jazz", "creator")
    assert (found["first_at"], found["ends_at"]) == ("2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z")
    assert found["entries"][0]["human_weight"] == 0.5
    assert found["entries"][0]["human_ranks"] == [1, 1]


TARGETS, LIKES_OF_PEOPLE, PUSHED = 5_000, 60_000, 40
RECALL, CALLED_BY_MISTAKE = 0.97, 0.001
SIZE = 50


def world(seed: int, bot_share: float, whole_crews: bool) -> tuple[pa.RecordBatch, list[str]]:
    """People who like by Zipf's law, bots that push targets that are not people's, a crew each; and people's own top.

    The detector calls 97 of 100 of the bots' likes, or crews, and one of a thousand of people's likes; what it does not
    call weighs .95.
    """
    rng = np.random.default_rng(seed)
    chance = 1 / np.arange(1, TARGETS + 1)
    liked = rng.choice(TARGETS, LIKES_OF_PEOPLE, p=chance / chance.sum())
    bots = round(LIKES_OF_PEOPLE * bot_share / (1 - bot_share))
    pushed, crew = rng.choice(np.arange(500, TARGETS), PUSHED, replace=False), rng.integers(0, PUSHED, bots)
    found = (rng.random(PUSHED) < RECALL)[crew] if whole_crews else rng.random(bots) < RECALL
    target, called = np.r_[liked, pushed[crew]], np.r_[rng.random(LIKES_OF_PEOPLE) < CALLED_BY_MISTAKE, found]
    n, order = len(target), rng.permutation(len(target))
    columns = {
        "event_id": [f"e{k}" for k in range(n)],
        "occurred_at": np.full(n, START_MS),
        "actor_id": [f"u{k}" for k in range(n)],
        "target_id": [f"t{k:04}" for k in target[order]],
        "action": np.zeros(n, np.int8),
        "content_origin": np.zeros(n, np.int8),
        "surface": np.zeros(n, np.int8),
        "human_probability": np.where(called, 0.02, 0.95)[order].astype(np.float32),
        "label": np.where(called, BOT, HUMAN)[order].astype(np.int8),
    }
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(n, f.type) for f in TRUSTED_LIKES]
    counts = np.bincount(liked, minlength=TARGETS)
    truth = [f"t{k:04}" for k in sorted(range(TARGETS), key=lambda k: (-counts[k], k))[:SIZE]]
    return pa.RecordBatch.from_arrays(arrays, schema=TRUSTED_LIKES), truth


def overlaps(seed: int, bot_share: float, whole_crews: bool) -> tuple[float, float, float]:
    """Of the raw and the human-only top with people's own, and how alike these two are."""
    batch, truth = world(seed, bot_share, whole_crews)
    task = ChartsTask(0, ChartLimits(entries=200_000, likes=100_000, segments=1))
    task.take(batch)
    chart = said(task, SIZE)
    tops = (
        [e.id for e in sorted(chart.entries, key=place)[:SIZE]]
        for place in (lambda e: (e.rank, e.id), lambda e: (e.human_rank, e.id))
    )
    raw, human = (len(set(top) & set(truth)) / SIZE for top in tops)
    return raw, human, chart.overlap.extrapolated


@pytest.mark.parametrize("whole_crews", [False, True])
@pytest.mark.parametrize(("bot_share", "raw_at_most"), [(0.1, 0.8), (0.2, 0.45), (0.3, 0.3)])
def test_planted_bots_move_the_raw_chart_and_not_the_human_only_one(
    bot_share: float, raw_at_most: float, whole_crews: bool
) -> None:
    found = np.array([overlaps(seed, bot_share, whole_crews) for seed in range(5)])
    raw, human, alike = found.mean(axis=0)
    assert human >= 0.95
    assert raw <= raw_at_most
    assert alike < 0.999


def test_without_bots_both_charts_are_peoples_own() -> None:
    raw, human, alike = overlaps(1, 0.0, False)
    assert raw == 1
    assert human >= 0.95
    assert alike > 0.98
