"""What ingest remembers of a partition: ids, likes that may be taken back by their id, and event time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.intake import Intake
from shared.contract.decode import Message
from tests.likes import START_MS, like

LIKE = "https://m.example/likes/1"


def messages(events: list[dict[str, Any]], first: int = 0, sent_ms: int = START_MS + 10**9) -> list[Message]:
    return [Message(json.dumps(e).encode(), 0, first + n, sent_ms, {}) for n, e in enumerate(events)]


def undo(number: int, of: str = LIKE, actor: str = "ann") -> dict[str, Any]:
    event = {**like(number, actor=actor, at_s=number), "action": "unlike", "undoes": of}
    del event["target_id"]
    return event


def test_a_like_and_its_unlike_may_share_an_id_but_neither_counts_twice() -> None:
    intake = Intake(1000)
    taken = intake.take(messages([like(1), like(1, action="unlike"), like(1), like(1, action="unlike")]))
    assert taken.likes.column("action").to_pylist() == [0, 1]
    assert intake.counters == {"received": 4, "accepted": 2, "rejected": 0, "duplicates": 2, "ignored": 0}


def test_one_id_of_two_cloud_event_sources_is_two_likes() -> None:
    intake = Intake(1000)
    data = {"actor_id": "ann", "target_id": "song", "occurred_at": START_MS}
    events = [{"specversion": "1.0", "id": "1", "source": s, "type": "like", "data": data} for s in ("/a", "/b", "/a")]
    assert intake.take(messages(events)).likes.column("event_id").to_pylist() == ["/a 1", "/b 1"]


def test_an_unlike_finds_its_target_by_the_id_of_the_like_across_batches_and_a_restart() -> None:
    intake = Intake(1000)
    intake.take(messages([{**like(1, target="song-7"), "event_id": LIKE}]))
    restarted = Intake(1000)
    restarted.restore(intake.snapshot())
    taken = restarted.take(messages([undo(2)], first=1))
    assert [(r["action"], r["target_id"]) for r in taken.likes.to_pylist()] == [(1, "song-7")]


@pytest.mark.parametrize(
    "wrong",
    [undo(2, of="https://m.example/likes/9"), undo(2, actor="eve")],
    ids=["unknown like", "another's like"],
)
def test_an_unlike_of_what_is_not_known_is_refused_and_kept(wrong: dict[str, Any]) -> None:
    intake = Intake(1000)
    taken = intake.take(messages([{**like(1), "event_id": LIKE}, wrong, like(3)]))
    assert taken.likes.num_rows == 2
    (rejection,) = taken.rejections
    assert rejection.message.offset == 1
    assert rejection.errors[0].startswith("undoes: no like 'https://m.example/likes/")
    assert intake.counters == {"received": 3, "accepted": 2, "rejected": 1, "duplicates": 0, "ignored": 0}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=40),
    st.sets(st.integers(1, 39), max_size=6),
)
def test_what_can_be_taken_back_follows_from_the_log_not_from_its_batches(
    steps: list[tuple[int, bool]], cuts: set[int]
) -> None:
    events = [
        undo(n, of=f"https://x/{which}")
        if taken_back
        else {**like(n, target=f"t{n}"), "event_id": f"https://x/{which}", "action": "share" if n % 2 else "like"}
        for n, (which, taken_back) in enumerate(steps)
    ]
    found = []
    for places in (set(), cuts):
        intake, rows, start = Intake(1000, undoable=10), [], 0
        for stop in [*sorted(p for p in places if p < len(events)), len(events)]:
            taken = intake.take(messages(events[start:stop], first=start))
            rows += [(r["source_offset"], r["target_id"], r["action"]) for r in taken.likes.to_pylist()]
            rows += [(r.message.offset, None, -1) for r in taken.rejections]
            start = stop
        found.append(sorted(rows, key=lambda row: row[0]))
    assert found[0] == found[1]
    for offset, (which, taken_back) in enumerate(steps):
        earlier = [n for n in range(max(0, offset - 10), offset) if steps[n] == (which, False)]
        if taken_back:
            target = next((t for at, t, _ in found[0] if at == offset), "duplicate")
            assert target == (f"t{earlier[-1]}" if earlier else None)


def test_clocks_that_run_ahead_do_not_move_event_time_past_the_time_of_receipt() -> None:
    intake = Intake(1000)
    honest = [(like(n, actor=f"p{n}", at_s=n), n) for n in range(100)]
    fast = [(like(1000 + n, actor=f"fast{n}", at_s=n + 290), n) for n in range(0, 100, 3)]
    for offset, (event, received_s) in enumerate(sorted(honest + fast, key=lambda pair: pair[1])):
        (message,) = messages([event], offset, START_MS + received_s * 1000)
        assert intake.take([message]).likes.num_rows == 1
    assert intake.latest_event_ms == START_MS + 99_000
