"""What the predictor forecast of each like, as others read it: the same whatever the batches, workers and restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from services.predictor.model import VERSION, CoPreference
from services.predictor.runner import PredictorRunner
from services.predictor.settings import PredictorSettings
from services.predictor.task import PredictorTask
from shared import forgetting, redis_connection
from shared.events import BUY, UNLIKE
from shared.forgetting import Request
from shared.frames import Frame, Output, from_message, to_headers
from shared.frames import encode as encoded
from shared.hashing import hash_strings
from shared.labels import LABELS
from shared.schemas import TRUSTED_LIKES
from shared.topics import FORECASTS
from tests.likes import START_MS
from tests.trusted_likes import made, row

BOT = LABELS.index("bot")


def said(task: PredictorTask, rows: list[dict[str, Any]], offset: int) -> list[Output]:
    return task.process(Frame("trusted", pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES)), offset)


def by_event(outputs: list[Output]) -> dict[str, dict[str, Any]]:
    frames = [from_message(output.value, output.headers) for output in outputs]
    return {r["event_id"]: r for frame in frames for r in frame.batch.to_pylist()}


def test_each_like_has_what_was_forecast_of_it() -> None:
    rows, task = made(400), PredictorTask(3)
    outputs = [output for at in range(0, 400, 50) for output in said(task, rows[at : at + 50], at)]
    model, columns = CoPreference(), pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES)
    weights = columns.column("human_probability").to_numpy()
    scored = model.score_and_learn(
        columns.column("actor_id"), columns.column("target_id"), columns.column("occurred_at").to_numpy(), weights
    )
    found = by_event(outputs)
    assert len(found) == 400
    forecast = [found[f"e{at}"] for at in scored.at.tolist()]
    assert 300 < len(forecast) < 400
    assert [f["p_popular"] for f in forecast] == scored.p_popular.astype(np.float32).tolist()
    assert [f["p_history"] for f in forecast] == scored.p_history.astype(np.float32).tolist()
    assert [f["place"] for f in forecast] == scored.rank.tolist()
    others = [found[f"e{at}"] for at in set(range(400)) - set(scored.at.tolist())]
    assert all(f["p_history"] is f["p_popular"] is f["place"] is None for f in others)
    assert {f["model"] for f in found.values()} == {VERSION}
    for column, name in (("slate", "slate_id"), ("topic", "topic")):
        given = hash_strings(columns.column(name)).tolist()
        hashes = [number if r[name] else 0 for number, r in zip(given, rows, strict=True)]
        assert [found[r["event_id"]][column] for r in rows] == hashes
        assert 100 < sum(map(bool, hashes)) < 300


def test_rows_are_at_their_users_with_a_place_in_the_log() -> None:
    for output in said(PredictorTask(3), made(60), 17):
        frame = from_message(output.value, output.headers)
        owners = hash_strings(frame.batch.column("actor_id")) % np.uint64(3)
        assert set(owners.tolist()) == {output.partition}
        assert frame.lineage is not None
        assert (frame.lineage.source, frame.lineage.offset, output.topic) == ("predictor/0", 17, FORECASTS)
        assert frame.lineage.watermark == START_MS + 59_000


def test_a_buy_is_where_its_principal_is() -> None:
    mandate = {"principal_id": "ann", "agent_key": "k", "signature": 2, "mandate": 1, "user_present": 2}
    buys = [row(n, f"agent{n}", "lamp", action=BUY, actor_kind=2, **mandate) for n in range(40)]
    own = [row(40 + n, f"u{n}", "lamp", action=BUY) for n in range(40)]
    # What only a buy should say moves no like.
    likes = [row(80 + n, f"u{n}", "lamp", principal_id="ann") for n in range(40)]
    at = {}
    for output in said(PredictorTask(5), [*buys, *own, *likes], 0):
        at |= dict.fromkeys(by_event([output]), output.partition)
    whose = {r["event_id"]: "ann" if r in buys else r["actor_id"] for r in (*buys, *own, *likes)}
    assert at == {event: int(hash_strings(pa.array([user]))[0]) % 5 for event, user in whose.items()}
    found = by_event(said(PredictorTask(5), buys, 0))["e0"]
    assert {name: found[name] for name in mandate} == mandate
    assert found["actor_kind"] == 2


def test_the_number_of_partitions_changes_no_row() -> None:
    rows = made(200)
    one, many = (by_event(said(PredictorTask(shares), rows, 0)) for shares in (1, 7))
    assert one == many


def test_a_correction_has_no_forecast_and_what_machines_gave_no_weight() -> None:
    task, rows = PredictorTask(1), made(80)
    said(task, rows, 0)
    corrected = {**rows[70], "human_probability": 0.05, "label": BOT, "revision": 1, "previous_probability": 0.9}
    found = by_event(said(task, [corrected, row(90, "u1", "i1", action=UNLIKE)], 1))
    assert [(r["correction"], r["weight"], r["p_history"]) for r in found.values()] == [
        (True, 0.0, None),
        (False, pytest.approx(0.9), None),
    ]


def test_a_like_dated_ahead_lets_nobody_wait() -> None:
    task = PredictorTask(1)
    said(task, [row(1, "ann", "a"), row(2, "ann", "b", occurred_at=START_MS + 10**9)], 0)
    assert task.clock == START_MS + 2005
    (output,) = said(task, [row(0, "ann", "c")], 1)
    lineage = from_message(output.value, output.headers).lineage
    assert lineage is not None
    assert lineage.watermark == START_MS + 2005


def test_a_request_to_forget_goes_to_who_knows_the_users() -> None:
    task = PredictorTask(4)
    said(task, made(50), 0)
    request = forgetting.to_message(Request("r", ["u1", "u2", "u3"], START_MS))
    outputs = task.process(from_message(request.value, request.headers), 1)
    users = {
        user: o.partition for o in outputs for user in from_message(o.value, o.headers).batch["user_id"].to_pylist()
    }
    assert users == {u: int(hash_strings(pa.array([u]))[0]) % 4 for u in ("u1", "u2", "u3")}


class Sent:
    """What a worker said, and its place."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.outputs: list[Output] = []

    async def send(self, output: Output) -> asyncio.Future[Any]:
        lineage = from_message(output.value, output.headers).lineage
        assert lineage is not None
        self.places.append(lineage.offset)
        self.outputs.append(output)
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


class Worker:
    """A predictor without Redis: what it writes there is not looked at."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
        settings = PredictorSettings.model_validate({"checkpoint_dir": folder, "partitions": 1, **more})
        self.sent = Sent()
        self.runner = PredictorRunner(settings, redis_connection.connect(settings), self.sent.send)

        async def nothing(*_: Any) -> None: ...

        for name in ("flush_preferences", "write", "settle"):
            monkeypatch.setattr(self.runner.shares, name, nothing)
        for writer in (self.runner.writer, self.runner.summary_writer):
            monkeypatch.setattr(writer, "apply_when_available", nothing)

    def given(self, shares: set[int]) -> None:
        self.runner.shares.held, self.runner.shares.leads = shares, 0 in shares

    async def read(self, log: list[Frame]) -> None:
        for offset in range(self.runner.held[0].offset + 1, len(log)):
            frame = log[offset]
            await self.runner.handle(0, offset, encoded(frame.batch), to_headers(frame))

    async def take_part(self, log: list[Frame]) -> None:
        await self.runner.follow_shares()
        await self.read(log)


async def test_whoever_comes_to_lead_says_what_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = made(100)
    log = [Frame("trusted", pa.RecordBatch.from_pylist(rows[at : at + 10], TRUSTED_LIKES)) for at in range(0, 100, 10)]
    first, second = (Worker(tmp_path, monkeypatch) for _ in range(2))
    for worker in (first, second):
        await worker.runner.assign(0)
        # Before anybody knows who leads, both say.
        await worker.take_part(log[:2])
        assert worker.sent.places == [0, 1]
    first.given({0})
    second.given(set())
    await first.take_part(log[:5])
    assert await first.runner.checkpoint([0]) == {0: 4}
    await first.take_part(log[:6])
    await second.take_part(log[:7])
    assert first.sent.places == [0, 1, 2, 3, 4, 5]
    assert second.sent.places == [0, 1]
    # A follower saves nothing: it may not have said what it knows.
    assert await second.runner.checkpoint([0]) == {}
    # The leader is gone; of what it said after the snapshot nothing is known.
    second.given({0})
    assert await second.runner.follow_shares()
    await second.take_part(log)
    assert second.sent.places == [0, 1, 5, 6, 7, 8, 9]
    # It is told the same again: nothing is taken up a second time.
    assert not await second.runner.follow_shares()
    assert await second.runner.checkpoint([0]) == {0: 9}


@pytest.mark.parametrize("saved", [False, True])
async def test_twins_of_whoever_comes_to_lead_have_read_all_of_the_log(
    saved: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the last snapshot on; from the beginning where there is none yet."""
    log = [
        Frame("trusted", pa.RecordBatch.from_pylist(made(60)[at : at + 10], TRUSTED_LIKES)) for at in range(0, 60, 10)
    ]
    first, second = (Worker(tmp_path, monkeypatch, predictor_twins=True) for _ in range(2))
    for worker, shares in ((first, {0}), (second, set[int]())):
        await worker.runner.assign(0)
        await worker.take_part(log[:1])
        worker.given(shares)
        await worker.take_part(log[:4])
    if saved:
        await first.runner.checkpoint([0])
    second.given({0})
    assert await second.runner.follow_shares()
    await second.take_part(log)
    assert second.sent.places == [0, *range(4 if saved else 0, 6)]
    task = PredictorTask(1, twins=True)
    expected = by_event([output for offset, frame in enumerate(log) for output in task.process(frame, offset)])
    assert sum(r["p_with"] is not None for r in expected.values()) == 60
    assert by_event(first.sent.outputs) | by_event(second.sent.outputs) == expected
