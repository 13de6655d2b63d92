"""The twins in the running predictor: what they say is what they say over files, whatever the frames and restarts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.predictor.task import PredictorTask
from services.predictor.twin import Acts, Twin, Twins, forecasts
from shared import forgetting
from shared.events import ACTIONS, BUY, UNLIKE
from shared.forgetting import Request
from shared.frames import Frame, Output, from_message
from shared.hashing import hash_strings
from shared.labels import BOT
from shared.schemas import TRUSTED_LIKES
from tests.likes import START_MS
from tests.trusted_likes import row

LIKE, SHARE = ACTIONS.index("like"), ACTIONS.index("share")
Rows = list[dict[str, Any]]
Said = dict[str, tuple[float | None, float | None]]

# Who did what to what, and whether a person did.
happenings = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 12), st.integers(0, len(ACTIONS) - 1), st.booleans()),
    min_size=1,
    max_size=120,
)


def rows_of(happened: list[tuple[int, int, int, bool]]) -> Rows:
    return [
        row(n, f"u{user}", f"i{item}", action=action, human_probability=0.9 if human else 0.0)
        for n, (user, item, action, human) in enumerate(happened)
    ]


def corrected(rows: Rows, at: int, now: float) -> dict[str, Any]:
    before = rows[at]["human_probability"]
    return {**rows[at], "revision": 1, "human_probability": now, "previous_probability": before, "previous_label": 0}


def frame_of(rows: Rows) -> Frame:
    return Frame("trusted", pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES))


def forget_request(*users: str) -> Frame:
    message = forgetting.to_message(Request("r", list(users), START_MS))
    return from_message(message.value, message.headers)


def said(outputs: list[Output]) -> Said:
    """By event, of rows that are no corrections."""
    batches = [from_message(o.value, o.headers).batch for o in outputs]
    rows = [r for batch in batches if "p_with" in batch.schema.names for r in batch.to_pylist()]
    return {r["event_id"]: (r["p_with"], r["p_without"]) for r in rows if not r["correction"]}


def follow(task: PredictorTask, frames: list[Frame], first: int = 0) -> Said:
    return said([output for n, frame in enumerate(frames) for output in task.process(frame, first + n)])


def by_files(rows: Rows) -> Said:
    """What `twin.forecasts` says of rows that people gave."""
    batch = frame_of(rows).batch
    ids = (hash_strings(batch.column(name)) for name in ("actor_id", "target_id"))
    acts = Acts(*ids, batch.column("occurred_at").to_numpy(), batch.column("action").to_numpy())
    of = np.stack(forecasts(acts)).astype(np.float32)
    return {r["event_id"]: (None, None) if np.isnan(p[0]) else tuple(p) for r, p in zip(rows, of.T, strict=True)}


def assert_same(found: Said, expected: Said) -> None:
    assert found.keys() == expected.keys()
    for event, pair in expected.items():
        assert found[event] == (pair if pair[0] is None else pytest.approx(pair, rel=1e-6))


def held(of: Twin) -> dict[str, set[str]]:
    """By actor, what is in the history; users and items by the number in their names."""
    names = {str(int(hash_strings(pa.array([name]))[0])): name for n in range(20) for name in (f"u{n}", f"i{n}")}
    h = of.model.store.histories
    return {
        names[user]: {names[of.model.items.ids[h.item[h.start[u] + k]]] for k in range(h.length[u])}
        for u, user in enumerate(of.model.users.ids)
        if h.length[u]
    }


def twins_of(task: PredictorTask) -> Twins:
    assert task.twins.twins is not None
    return task.twins.twins


def learnt(*frames: Rows | Frame) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """What each twin holds after these frames."""
    task = PredictorTask(1, twins=True)
    follow(task, [frame if isinstance(frame, Frame) else frame_of(frame) for frame in frames])
    return held(twins_of(task).with_likes), held(twins_of(task).without)


@settings(max_examples=40, deadline=None)
@given(happenings, st.sets(st.integers(1, 119), max_size=6))
def test_frames_say_what_files_say_however_they_are_cut(
    happened: list[tuple[int, int, int, bool]], cuts: set[int]
) -> None:
    rows = rows_of(happened)
    edges = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    frames = [frame_of(rows[start:end]) for start, end in pairwise(edges)]
    people = [r for r in rows if r["human_probability"] or r["action"] == UNLIKE]
    nothing: Said = {r["event_id"]: (None, None) for r in rows}
    assert_same(follow(PredictorTask(3, twins=True), frames), nothing | (by_files(people) if people else {}))


@settings(max_examples=25, deadline=None)
@given(happenings, st.data())
def test_who_is_restarted_anywhere_goes_on_as_if_nothing_had_happened(
    happened: list[tuple[int, int, int, bool]], data: st.DataObject
) -> None:
    rows = rows_of(happened)
    frames, done = [], 0
    while done < len(rows):
        end = data.draw(st.integers(done + 1, len(rows)))
        again = data.draw(st.lists(st.integers(0, done - 1), unique=True, max_size=5)) if done else []
        frames.append(frame_of([corrected(rows, at, 0.0) for at in again] + rows[done:end]))
        if data.draw(st.booleans()):
            frames.append(forget_request(f"u{data.draw(st.integers(0, 4))}"))
        done = end
    at = data.draw(st.integers(0, len(frames)))
    whole, before, after = (PredictorTask(1, twins=True) for _ in range(3))
    expected = follow(whole, frames)
    found = follow(before, frames[:at])
    after.restore(before.snapshot())
    assert found | follow(after, frames[at:], at) == expected
    saved, arrays = after.snapshot(), whole.snapshot()
    assert saved.keys() == arrays.keys()
    assert all(np.array_equal(saved[name], values) for name, values in arrays.items() if name.startswith("twins."))


def test_a_like_that_turns_out_to_be_a_bots_is_unlearnt_by_who_learns_likes() -> None:
    likes = [row(1, "u1", "i1"), row(2, "u1", "i2"), row(3, "u1", "i3", action=SHARE), row(4, "u1", "i3")]
    by_label = {**corrected(likes, 0, 0.9), "label": BOT}
    assert learnt(likes, [by_label, corrected(likes, 3, 0.0)]) == ({"u1": {"i2", "i3"}}, {"u1": {"i3"}})
    # What else it did, nobody unlearns.
    assert learnt(likes, [corrected(likes, 2, 0.0)]) == ({"u1": {"i1", "i2", "i3"}}, {"u1": {"i3"}})


def test_a_like_is_as_good_as_another_as_long_as_it_is_a_persons() -> None:
    sure = [row(n, "u1", f"i{n % 7}") for n in range(40)]
    doubted = [{**r, "human_probability": 0.3} for r in sure]
    less_sure = frame_of([corrected(sure, at, 0.2) for at in range(39)])
    last = frame_of([row(50, "u1", "i6", action=UNLIKE), row(51, "u2", "i6"), row(52, "u1", "i6")])
    expected = follow(PredictorTask(1, twins=True), [frame_of(sure), last])
    assert follow(PredictorTask(1, twins=True), [frame_of(doubted), last]) == expected
    assert follow(PredictorTask(1, twins=True), [frame_of(sure), less_sure, last]) == expected


def test_what_was_nobodys_at_first_is_neither_forecast_nor_learnt_late() -> None:
    of_nobody = [row(n, "u1", f"i{n}", action=a, human_probability=0.0) for n, a in enumerate((LIKE, SHARE, BUY))]
    people = [row(n + 9, "u2", f"i{n}", action=a) for n, a in enumerate((LIKE, SHARE, BUY))]
    found = learnt(of_nobody + people, [corrected(of_nobody, at, 0.9) for at in range(3)])
    assert found == ({"u2": {"i0", "i1", "i2"}}, {"u2": {"i1", "i2"}})
    stated = follow(PredictorTask(1, twins=True), [frame_of(of_nobody + people)])
    assert [event for event, (p, _) in stated.items() if p is not None] == ["e9"]


def test_a_forgotten_user_has_taught_nothing_and_no_correction_brings_them_back() -> None:
    likes = rows_of([(n % 3, n % 11, (LIKE, SHARE)[n % 5 == 0], True) for n in range(60)])
    others = [r for r in likes if r["actor_id"] != "u1"]
    late = [corrected(likes, at, 0.0) for at in range(60) if likes[at]["actor_id"] == "u1"]
    forgetful, never = PredictorTask(1, twins=True), PredictorTask(1, twins=True)
    follow(forgetful, [frame_of(likes), forget_request("u1", "nobody"), frame_of(late)])
    follow(never, [frame_of(others)])
    for name in ("with_likes", "without"):
        found, expected = (getattr(twins_of(task), name) for task in (forgetful, never))
        assert held(found) == held(expected)
        assert str(int(hash_strings(pa.array(["u1"]))[0])) not in found.model.users.numbers
        totals = [
            {item: of.model.lists.total[number] for item, number in of.model.items.numbers.items()}
            for of in (found, expected)
        ]
        assert totals[0] == pytest.approx({**dict.fromkeys(totals[0], 0.0), **totals[1]})


def test_without_twins_nothing_is_said_and_nothing_kept() -> None:
    rows = frame_of(rows_of([(n % 5, n % 7, n % 3, True) for n in range(50)]))
    without, twins = PredictorTask(1), PredictorTask(1, twins=True)
    assert set(follow(without, [rows]).values()) == {(None, None)}
    assert any(p for p, _ in follow(twins, [rows]).values())
    kept = {name for name in twins.snapshot() if name.startswith("twins.")}
    assert kept == twins.snapshot().keys() - without.snapshot().keys()
    # Arrays of twins that ran are left alone.
    stopped = PredictorTask(1)
    stopped.restore(twins.snapshot())
    assert stopped.snapshot().keys() == without.snapshot().keys()


def test_twins_begin_where_a_snapshot_has_none() -> None:
    rows = rows_of([(n % 5, n % 7, n % 4, True) for n in range(80)])
    off, on = PredictorTask(1), PredictorTask(1, twins=True)
    follow(off, [frame_of(rows[:40])])
    follow(on, [frame_of(rows[20:40])])
    on.restore(off.snapshot())
    assert_same(follow(on, [frame_of(rows[40:])]), by_files(rows[40:]))


def test_who_says_no_forecasts_has_no_work_with_twins() -> None:
    task = PredictorTask(1, twins=True)
    task.says_forecasts = False
    assert task.process(frame_of(rows_of([(1, 1, LIKE, True), (1, 2, SHARE, True)])), 0) == []
    assert not twins_of(task).without.model.users.ids
