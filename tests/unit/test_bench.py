"""The benchmark's own parts: its likes are what they are said to be, and a row without closed windows fails."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from services.detector.settings import Judgement
from shared import schemas
from tests.bench import crowd, flink, flink_answers, pipeline, report
from tests.bench.crowd import BATCH, Load, batches, cut, joined, likes
from tests.bench.loads import LOADS
from tests.bench.measuring import Bench
from tests.bench.windows import MINUTE_MS, TooFew, Windows, named, require

HOUR = 60 * MINUTE_MS
ORDER = ["Ingest", "Detector"]
SMALL = Load(70, bursts=3, burst_ms=HOUR, every_ms=HOUR)
PAUSED = Load(700, bursts=14, burst_ms=60_000, every_ms=HOUR)


def test_likes_come_at_the_rate_in_order_and_bots_are_two_in_a_hundred() -> None:
    for load in (SMALL, PAUSED):
        found = joined(list(likes(load)))
        assert len(found) == pytest.approx(load.rate * load.busy_ms / 1000, rel=0.05)
        assert (np.diff(found.times) >= 0).all()
        assert (found.actors < 0).mean() == pytest.approx(0.02, abs=0.006)
        into = (found.times - load.begins(0)) % load.every_ms
        assert into.max() < load.burst_ms


def test_likes_are_the_same_again_and_other_with_another_seed() -> None:
    first, again, other = (joined(list(likes(load))) for load in (PAUSED, PAUSED, replace(PAUSED, seed=2)))
    assert (first.times == again.times).all()
    assert (first.actors == again.actors).all()
    assert len(first) != len(other) or (first.targets != other.targets).any()


def test_how_likes_are_cut_changes_none_of_them() -> None:
    whole = joined(list(likes(SMALL)))
    for size in (1000, BATCH):
        parts = list(cut(likes(SMALL), size))
        assert {len(p) for p in parts[:-1]} == {size}
        together = joined(parts)
        assert all((getattr(together, c) == getattr(whole, c)).all() for c in ("times", "actors", "targets"))


def test_people_give_about_eight_likes_in_a_sitting_and_sleep() -> None:
    day = Load(7, bursts=24, burst_ms=HOUR, every_ms=HOUR)
    found = joined(list(likes(day)))
    people = found[found.actors >= 0]
    order = np.lexsort((people.times, people.actors))
    times, actors = people.times[order], people.actors[order]
    new = np.r_[True, (np.diff(actors) != 0) | (np.diff(times) > 10 * MINUTE_MS)]
    assert new.sum() * 7 < len(times) < new.sum() * 10
    # Nobody of the first hour's wakers likes in the eight hours before.
    early = people.actors // crowd.TOGETHER < day.people // crowd.TOGETHER // 24
    hours = (people.times[early] - crowd.START_MS) // HOUR
    assert hours.max() <= 17
    assert len(set(hours.tolist())) > 12


def test_a_crew_likes_the_same_targets_within_a_minute_each() -> None:
    found = joined(list(likes(SMALL)))
    bots = found[found.actors < 0]
    crew = bots[(-1 - bots.actors) // crowd.CREW == 0]
    for target in np.unique(crew.targets):
        times = crew.times[crew.targets == target]
        assert len(times) == crowd.CREW
        assert np.ptp(times) < crowd.ROUND_MS
    assert len(np.unique(crew.targets)) == crowd.ROUNDS


def test_batches_have_places_that_grow_in_each_partition() -> None:
    seen = np.full(4, -1, np.int64)
    for batch in batches(PAUSED, 4):
        assert batch.schema == schemas.LIKES
        for partition in range(4):
            offsets = batch.column("source_offset").to_numpy()[batch.column("source_partition").to_numpy() == partition]
            assert (offsets == seen[partition] + 1 + np.arange(len(offsets))).all()
            seen[partition] += len(offsets)
    assert (seen > 0).all()


def test_windows_are_counted_only_when_event_time_is_past_them() -> None:
    windows = Windows(10_000)
    windows.add(np.array([0, 59_999, 69_999, 5 * MINUTE_MS]))
    # The windows of 60 s that begin at 0 and 60 s are over; nothing came in the three after them.
    assert windows.closed() == {MINUTE_MS: 2, 5 * MINUTE_MS: 0, 10 * MINUTE_MS: 0, HOUR: 0}
    windows.add(np.array([5 * MINUTE_MS + 10_000]))
    assert windows.closed()[5 * MINUTE_MS] == 1


def test_a_row_whose_windows_do_not_close_fails() -> None:
    require({MINUTE_MS: 20}, {MINUTE_MS: 20})
    with pytest.raises(TooFew, match="19 of 20 windows of 60 s"):
        require({MINUTE_MS: 19}, {MINUTE_MS: 20})
    assert [named(s) for s in (MINUTE_MS, 10 * MINUTE_MS, HOUR)] == ["60 s", "10 min", "1 h"]


@pytest.mark.parametrize("name", ["7", "700"])
def test_the_loads_keep_what_they_promise(name: str) -> None:
    load, windows = LOADS[name], Windows(Judgement(1).lateness_ms)
    assert set(load.promised.values()) == {20}
    for part in likes(load):
        windows.add(part.times)
    require(windows.closed(), load.promised)


def test_the_document_keeps_sections_that_were_not_measured() -> None:
    rows = [("detector", "1 likes/s", "goal 2", "0.50")]
    text = report.updated("# Old\n\n## By hand\n\nkept\n", {"Detector": report.section("At abc.", rows)}, ORDER)
    assert "## By hand\n\nkept\n" in text
    assert "| detector | 1 likes/s | goal 2 | 0.50 |" in text
    assert text.index("## Detector") < text.index("## By hand")
    again = report.updated(text, {"Detector": report.section("At def.", rows)}, ORDER)
    assert again == text.replace("At abc.", "At def.")


def test_ends_of_windows_are_counted_while_likes_are_sent() -> None:
    window, late = pipeline.WINDOW_MS, Judgement(1).lateness_ms
    # Event time begins 100 s before the end of a window and runs 100 times as fast as the clock.
    begin = crowd.START_MS + late + window - 100_000
    seconds = [pipeline.Second(float(n), 0, 0, 0, begin + 100_000 * n if n else 0, {}) for n in range(9)]
    # Unknown at 0 s; at 1 s it has just passed the first end.
    assert pipeline.ends_in(seconds) == [4.0, 7.0]
    assert pipeline.ends_in(seconds[:1]) == []


def test_what_flink_must_find_is_what_plain_loops_find() -> None:
    rng = np.random.default_rng(3)
    names = [f"u{n}" for n in rng.integers(0, 40, 3000)]
    actors = flink_answers.numbered(names)
    targets, times = rng.integers(0, 60, 3000), np.sort(rng.integers(0, 2 * HOUR, 3000)) + crowd.START_MS
    busy = Counter(zip(names, (times // (5 * MINUTE_MS)).tolist(), strict=True))
    assert flink_answers.busy_actors(actors, times) == sum(n >= 10 for n in busy.values())
    rows = list(zip(names, targets.tolist(), times.tolist(), strict=True))
    shared: dict[tuple[str, str, int], set[int]] = {}
    met = 0
    for actor, target, at in rows:
        for partner, other, then in rows:
            if actor < partner and target == other and abs(at - then) <= MINUTE_MS:
                met += 1
                shared.setdefault((actor, partner, at // HOUR), set()).add(target)
    found = flink_answers.meetings(actors, targets, times)
    assert len(found[0]) == met > 100
    assert flink_answers.close_pairs(found) == sum(len(t) >= 2 for t in shared.values()) > 0


def test_ids_are_numbered_in_the_order_of_their_bytes() -> None:
    assert flink_answers.numbered(["u10", "u9", "U1", "u10", "é"]).tolist() == [1, 2, 0, 1, 3]


def test_flinks_first_run_is_the_cold_one_and_left_out_of_the_warm() -> None:
    job = flink.Job.of([flink.Run(9, 11, 500, 7), flink.Run(4, 6, 700, 7), flink.Run(5, 8, 600, 7)])
    assert job.cold.cpu_s == 11
    assert (job.warm.wall_s, job.warm.cpu_s, job.warm.rss_mb) == (4.5, 7, 700)


def test_flink_that_is_not_fetched_is_an_error_that_says_how(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(flink, "CLASSES", tmp_path)
    with pytest.raises(RuntimeError, match="make bench-flink"):
        flink.rows(Bench(Console(quiet=True)))
