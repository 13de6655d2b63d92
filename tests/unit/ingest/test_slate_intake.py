"""Slates at ingest: each counts once however messages are cut, in frames of its actor's partition, sampled by actor."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.framing import EXPOSURES_FRAMING, FrameBuilder
from services.ingest.slate_intake import SlateIntake
from services.ingest.sources import Sources
from shared.contract.decode import Message
from shared.frames import Progress, from_message
from shared.topics import EXPOSURES_BY_ACTOR
from tests.likes import START_MS


def slate(number: int, actor: str = "ann", at: int = 0, **changes: Any) -> dict[str, Any]:
    items = [{"target_id": f"t{number}", "rank": 0}, {"target_id": f"t{number + 1}", "rank": 1}]
    return {"slate_id": f"s{number}", "occurred_at": START_MS + at, "actor_id": actor, "items": items, **changes}


def messages(events: list[dict[str, Any]], first: int = 0) -> list[Message]:
    return [Message(json.dumps(event).encode(), 0, first + n, START_MS + 10_000, {}) for n, event in enumerate(events)]


@given(st.lists(st.integers(0, 12), max_size=60), st.lists(st.integers(1, 9), max_size=30), st.integers(4, 40))
@settings(deadline=None, max_examples=100)
def test_a_slate_counts_once_however_messages_are_cut(numbers: list[int], cuts: list[int], remembered: int) -> None:
    log = messages([slate(number) for number in numbers])
    whole = SlateIntake(1000, 1.0)
    expected = whole.take(log).rows
    assert len(set(expected.column("slate").to_pylist())) == len(set(numbers))
    intake, rows, at = SlateIntake(1000, 1.0), 0, 0
    for cut in [*cuts, len(log)]:
        saved, intake = intake, SlateIntake(1000, 1.0)
        intake.restore(saved.snapshot())
        intake.counters = saved.counters
        taken = intake.take(log[at : at + cut]).rows
        assert taken == expected.slice(rows, taken.num_rows)
        rows, at = rows + taken.num_rows, at + cut
    assert rows == expected.num_rows
    assert intake.counters == whole.counters
    assert intake.counters["slates_duplicates"] == len(numbers) - len(set(numbers))


def test_actors_outside_the_sample_are_left_out_whole_and_counted() -> None:
    log = messages([slate(2 * n + again, f"actor{n}") for n in range(2000) for again in (0, 1)])
    intake = SlateIntake(10_000, 0.25)
    rows = intake.take(log).rows
    actors, slates = np.unique(rows.column("actor").to_numpy(), return_counts=True)
    assert len(actors) == pytest.approx(500, abs=80)
    assert set(slates) == {4}
    assert intake.counters["slates_accepted"] == 2 * len(actors)
    assert intake.counters["slates_sampled_out"] == 4000 - 2 * len(actors)
    # It chooses by other bits of the hash than partitions do: all of these have some.
    assert set((actors % 4).tolist()) == {0, 1, 2, 3}


def test_a_clock_that_runs_ahead_moves_event_time_no_further_than_its_receipt() -> None:
    intake = SlateIntake(1000, 1.0)
    intake.take(messages([slate(1, at=200_000), {"slate_id": "bad"}]))
    assert intake.latest_event_ms == START_MS + 10_000
    assert intake.counters["slates_rejected"] == 1


def test_frames_by_actor() -> None:
    builder = FrameBuilder(4, 10, EXPOSURES_FRAMING)
    builder.add(SlateIntake(1000, 1.0).take(messages([slate(n, f"actor{n}") for n in range(20)])).rows)
    outputs = builder.close(Progress(4, {0: 7}))
    assert {output.topic for output in outputs} == {EXPOSURES_BY_ACTOR}
    total = 0
    for output in outputs:
        frame = from_message(output.value, output.headers)
        assert frame.kind == "exposures"
        assert set((frame.batch.column("actor").to_numpy() % 4).tolist()) == {output.partition}
        total += frame.batch.num_rows
    assert total == 40


def test_where_nobody_sends_exposures_their_sources_follow_those_of_likes() -> None:
    likes = Sources(2, idle_seconds=5, speed=1.0)
    exposures = Sources(2, idle_seconds=5, speed=1.0, beside=likes)
    for sources in (likes, exposures):
        sources.take(0, -1, 0.0)
        sources.take(1, -1, 0.0)
    assert exposures.progress(9.0).watermarks == {0: -1, 1: -1}
    likes.read(0, 10_000, 9.0)
    likes.read(1, 12_000, 9.0)
    assert exposures.progress(9.0).watermarks == {0: 12_000, 1: 12_000}
    exposures.read(0, 11_000, 9.0)
    # One that speaks is as far as it says, the other holds back nobody.
    assert exposures.progress(9.0).watermarks == {0: 11_000, 1: 12_000}
    likes.read(1, 15_000, 14.5)
    assert exposures.progress(14.5).watermarks == {0: 15_000, 1: 15_000}
    # Of nobody there is more: the clock goes on.
    assert exposures.progress(20.0).watermarks == {0: 20_500, 1: 20_500}
