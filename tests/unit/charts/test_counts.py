"""Counting: against plain loops, however the log is cut; what is taken back leaves nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.charts.counts import ChartKey
from services.charts.limits import ChartLimits
from services.charts.periods import DAY_MS, HOUR_MS, start_of
from services.charts.tables import CELL
from services.charts.task import ChartsTask
from shared.events import UNLIKE
from tests.likes import START_MS
from tests.unit.charts.made import ROOMY, Rows, charts_of, correction, fed, like, logs, plainly, unlike

HOUR = ChartKey("hour", start_of("hour", START_MS), "target")


TIGHT = ChartLimits(108, 1_000, 90 * DAY_MS, 1, (HOUR_MS, DAY_MS, 7 * DAY_MS))


def crowded(seed: int) -> Rows:
    """Likes of more than there is room for, some of them taken back and corrected."""
    rng = np.random.default_rng(seed)
    log: Rows = []
    for number in range(400):
        row = like(
            number, f"u{number}", f"t{int(90 * rng.random() ** 2)}", 20_000 * number, creator_id=f"c{number % 7}"
        )
        log.append(row)
        if number % 5 == 0:
            log.append(correction(log[rng.integers(len(log))], 0.25))
        if number % 9 == 0:
            log.append(unlike(1_000 + number, log[rng.integers(len(log))], 20_000 * number))
    return [row for row in log if row["action"] != UNLIKE or row.get("previous_probability") is None]


def counted(task: ChartsTask, exact: bool = True) -> dict[ChartKey, dict[str, Any]]:
    """By chart and entry the likes by label, weight, and likes by origin."""
    found = {}
    for key in task.counts.charts():
        chart = task.counts.counted(key)
        assert chart is not None
        rows = zip(chart.entry, chart.likes.tolist(), chart.weight.tolist(), chart.origin.tolist(), strict=True)
        there = {task.counts.names.ids[e]: (likes, weight, of) for e, likes, weight, of in rows if sum(likes)}
        if exact:
            assert chart.error == 0
            assert np.array_equal(chart.likes_of.sum(axis=1), chart.likes.sum(axis=0))
            assert chart.weight_of.sum() == pytest.approx(chart.weight.sum())
        if there:
            found[key] = there
    return found


@settings(deadline=None, max_examples=60)
@given(logs())
def test_charts_are_those_of_plain_loops(log: Rows) -> None:
    assert counted(fed([log])) == {
        key: {entry: (labels, pytest.approx(weight), of) for entry, (labels, weight, of) in entries.items()}
        for key, entries in plainly(log).items()
    }


def cut(log: Rows, limits: ChartLimits, sizes: list[int], restored_after: int) -> ChartsTask:
    """In frames of these sizes, again and again; another task goes on after so many."""
    task, at, number = ChartsTask(0, limits), 0, 0
    while at < len(log):
        size = sizes[number % len(sizes)]
        fed([log[at : at + size]], limits, task)
        at, number = at + size, number + 1
        # What is told of it must not show in what it does next.
        for key in list(task.counts.charts())[:3]:
            task.chart(key)
        task.tallies.state()
        if number == restored_after:
            other, task = task, ChartsTask(0, limits)
            task.restore(other.snapshot())
    return task


@settings(deadline=None, max_examples=40)
@given(logs(), st.lists(st.integers(1, 9), min_size=1), st.integers(0, 9))
def test_charts_are_the_same_however_the_log_is_cut_and_wherever_it_is_restored(
    log: Rows, sizes: list[int], restored_after: int
) -> None:
    task, whole = cut(log, ROOMY, sizes, restored_after), fed([log])
    assert charts_of(task) == charts_of(whole)
    assert task.counters == whole.counters


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 90), min_size=1), st.integers(0, 9))
def test_what_is_dropped_is_the_same_however_the_log_is_cut_and_no_more_than_is_said(
    seed: int, sizes: list[int], restored_after: int
) -> None:
    log = crowded(seed)
    task, whole = cut(log, TIGHT, sizes, restored_after), fed([log], TIGHT)
    assert task.counters == whole.counters
    assert whole.counters["chart_entries_dropped"] > 0
    assert whole.counts.held_entries <= TIGHT.entries
    assert charts_of(task, 9) == charts_of(whole, 9)
    truth = counted(fed([log], replace(ROOMY, kept_ms=TIGHT.kept_ms)))
    for key, found in counted(task, exact=False).items():
        chart = task.counts.counted(key)
        assert chart is not None
        missed = dict(zip((task.counts.names.ids[e] for e in chart.entry), chart.missed.tolist(), strict=True))
        for entry, (labels, weight, _) in truth[key].items():
            held, its_weight, _ = found.get(entry, ([0], 0.0, []))
            lacking = missed.get(entry, chart.error)
            assert sum(held) <= sum(labels) <= sum(held) + lacking
            assert its_weight - 1e-6 <= weight <= its_weight + lacking + 1e-6


@settings(deadline=None, max_examples=25)
@given(logs())
def test_likes_that_are_all_taken_back_leave_no_chart(log: Rows) -> None:
    likes = {row["event_id"]: row for row in log if row["action"] == 0}
    last = max(row["occurred_at"] for row in log) - START_MS
    task = fed([log, [unlike(1000 + n, row, last) for n, row in enumerate(likes.values())]])
    assert charts_of(task) == {}
    cells = task.counts.tables.cells
    assert not cells[cells[:, CELL] != 0, 1:7].any()


@settings(deadline=None, max_examples=25)
@given(logs(), st.integers(0, 3))
def test_likes_that_are_corrected_are_as_if_they_had_come_so(log: Rows, label: int) -> None:
    log = [row for row in log if row["action"] == 0 and row.get("previous_probability") is None]
    task = fed([log, [correction(row, 0.0, label) for row in log]])
    assert charts_of(task) == charts_of(fed([[{**row, "human_probability": 0.0, "label": label} for row in log]]))


def test_likes_of_bots_and_agents_weigh_nothing_whatever_their_probability() -> None:
    rows = [like(n, f"u{n}", "song", label=n, human_probability=0.5) for n in range(4)]
    chart = fed([rows]).chart(HOUR)
    assert chart is not None
    assert (chart.n, chart.human_weight, chart.ai_liked) == (4, 1.0, 0.5)


def test_a_correction_of_what_is_no_longer_remembered_counts_unless_it_was_taken_back() -> None:
    limits = ChartLimits(entries=20_000, likes=2, segments=8)
    rows = [like(n, f"u{n}", "song") for n in range(5)]
    gone = unlike(9, rows[1], 0)
    task = fed([[*rows[:2], gone, *rows[2:]], [correction(row, 0.0) for row in rows[:2]]], limits)
    chart = task.chart(HOUR)
    assert chart is not None
    assert (chart.n, round(chart.human_weight, 5)) == (4, 2.7)
    assert task.counters["chart_likes_no_longer_remembered"] == 2
    assert task.counters["chart_corrections_unchecked"] == 1


def test_an_unlike_of_a_like_that_is_too_old_takes_nothing_back() -> None:
    limits = ChartLimits(entries=20_000, likes=10, segments=8, horizon_ms=HOUR_MS)
    row = like(1, "ann", "song")
    assert fed([[row, unlike(2, row, HOUR_MS)]], limits).counters["chart_likes_taken_back"] == 1
    assert fed([[row, unlike(2, row, HOUR_MS + 1)]], limits).counters["chart_likes_taken_back"] == 0


def test_forgotten_users_likes_are_taken_back_and_no_correction_brings_them_back() -> None:
    rows = [like(1, "ann", "song"), like(2, "bob", "song"), like(3, "ann", "tune")]
    task = fed([rows, ["ann"], [correction(rows[0], 1.0)]])
    assert task.last_forgotten == 2
    assert charts_of(task) == charts_of(fed([rows[1:2]]))
    assert fed([["ann"]], task=task).last_forgotten == 0


def test_periods_leave_when_their_time_is_over_and_their_names_with_them() -> None:
    limits = ChartLimits(20_000, 1, segments=8, kept_ms=(HOUR_MS, HOUR_MS, HOUR_MS))
    task = ChartsTask(0, limits)
    for week in range(60):
        fed([[like(1000 * week + n, "u", f"{week}-{n}", 7 * DAY_MS * week) for n in range(100)]], limits, task)
        assert len(task.counts.charts()) <= 4 * 3
    assert task.counts.held_entries == 100 * 6
    assert len(task.counts.names) < 2_500
    assert len(task.counts.names.ids) < 2_500


def test_a_period_has_so_many_languages_and_topics_as_it_may_the_first_that_come() -> None:
    limits = ChartLimits(entries=20_000, likes=10, segments=2)
    rows = [like(n, "u", "song", topic=f"topic{n}", content_language=f"{'abcd'[n]}x") for n in range(4)]
    task = fed([rows], limits)
    assert {key.segment for key in task.counts.charts()} == {"", "topic0", "topic1", "ax", "bx"}
    assert task.counters["chart_likes_without_segment"] == 2


def test_changed_charts_are_said_once_and_are_revised_by_what_is_taken_back() -> None:
    rows = [like(1, "ann", "song"), like(2, "bob", "tune", 2 * HOUR_MS)]
    task = fed([rows])
    assert task.changed() == task.counts.charts()
    assert task.changed() == []
    fed([[like(3, "cy", "song")]], task=task)
    assert {key.start for key in task.changed() if key.period == "hour"} == {HOUR.start}
    assert task.counts.counted(HOUR).revision == 0  # type: ignore[union-attr]
    fed([[correction(rows[0], 0.1)]], task=task)
    assert {key.start for key in task.changed() if key.period == "hour"} == {HOUR.start}
    assert task.counts.counted(HOUR).revision == 1  # type: ignore[union-attr]
    # What was corrected before it was ever said is no revision.
    new = like(4, "dan", "song", 9 * HOUR_MS)
    fed([[new, correction(new, 0.2)]], task=task)
    (later,) = {k for k in task.changed() if k.period == "hour" and k.of == "target" and k.facet == "all"}
    assert task.counts.counted(later).revision == 0  # type: ignore[union-attr]


def test_too_few_entries_are_refused_with_what_it_takes() -> None:
    with pytest.raises(ValueError, match="lower segments"):
        ChartLimits(entries=100)


def test_a_snapshot_that_does_not_fit_is_refused_and_fewer_likes_are_remembered() -> None:
    rows = [like(n, f"u{n}", f"t{n}") for n in range(2_100)]
    saved = fed([rows]).snapshot()
    with pytest.raises(ValueError, match="raise the limits"):
        ChartsTask(0, ChartLimits(entries=10_000, likes=9, segments=8)).restore(saved)
    task = ChartsTask(0, ChartLimits(entries=20_000, likes=9, segments=8))
    task.restore(saved)
    fed([[unlike(9_000 + n, row, 0) for n, row in enumerate(rows[-20:])]], task=task)
    assert task.counters["chart_likes_taken_back"] == 9


def test_more_likes_may_be_remembered_after_a_snapshot() -> None:
    """The pair's like before is no longer there, and its number is not taken for another's."""
    rows = [like(1, "ann", "song"), like(2, "ann", "song"), like(3, "bob", "song")]
    task = ChartsTask(0, ChartLimits(entries=20_000, likes=2, segments=8))
    saved = fed([rows], task=task).snapshot()
    more = ChartsTask(0, ROOMY)
    more.restore(saved)
    fed([[like(4, "ann", "song"), unlike(5, rows[0], 0)]], task=more)
    assert more.counters["chart_likes_taken_back"] == 2
