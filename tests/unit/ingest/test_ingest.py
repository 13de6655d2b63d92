from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.ingest.framing import FrameBuilder
from services.ingest.intake import Intake
from services.ingest.runner import IngestRunner, _to_output
from services.ingest.settings import IngestSettings
from services.ingest.sources import Sources
from shared.bodies import split_body
from shared.contract.decode import FastLike, Message, decode, parse
from shared.contract.opening import FUTURE_TOLERANCE_MS, DoesNotFit
from shared.contract.times import LATEST_MS
from shared.events import Like
from shared.frames import Output, Progress, from_message
from tests.likes import START_MS, like

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**40),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(
        ["like", "unlike", "agent", "ai", "search", "en-GB", "en\n", "2026-01-01T00:00:00Z", "", "x" * 129]
    ),
)
events = st.fixed_dictionaries(
    {
        "event_id": st.one_of(st.just("e1"), scalars),
        "occurred_at": st.one_of(st.just(START_MS), scalars),
        "actor_id": st.one_of(st.just("ann"), scalars),
        "target_id": st.one_of(st.just("song"), scalars),
    },
    optional={
        name: scalars for name in Like.model_fields if name not in ("event_id", "occurred_at", "actor_id", "target_id")
    },
)


@given(events)
def test_the_fast_path_accepts_nothing_that_the_contract_refuses(event: dict[str, Any]) -> None:
    text = json.dumps(event).encode()
    try:
        fast = msgspec.json.decode(text, type=FastLike)
    except msgspec.DecodeError:
        fast = None
    try:
        contract = Like.model_validate_json(text)
    except ValidationError:
        contract = None
    reasons: tuple[str, ...] = ()
    try:
        found = parse(text, {}, LATEST_MS)
    except DoesNotFit as error:
        found, reasons = None, error.errors
    assert (found is None) == (contract is None) == bool(reasons)
    if fast is not None and contract is not None and found is not None:
        assert {f: getattr(found, f) for f in Like.model_fields} == contract.model_dump()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b"[]", "message"),
        (b"{}", "event_id: Field required"),
        (json.dumps(like(1, actor="")).encode(), "actor_id"),
        (json.dumps(like(1, rank=-1)).encode(), "rank"),
        (json.dumps(like(1, propensity=0)).encode(), "propensity"),
        (json.dumps({**like(1), "occurred_at": "2026-01-01T00:00:00"}).encode(), "needs a zone"),
        (
            json.dumps({**like(1), "occurred_at": START_MS + FUTURE_TOLERANCE_MS + 1}).encode(),
            "5 minutes after",
        ),
        (b'{"event_id":"\\ud800","occurred_at":1,"actor_id":"a","target_id":"t"}', "message"),
        (b'{"specversion":"1.0","data":"text"}', "envelope"),
        (b'{"@context":"https://www.w3.org/ns/activitystreams","type":"Follow"}', "neither Like nor Undo"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(value: bytes | None, reason: str) -> None:
    with pytest.raises(DoesNotFit, match=reason):
        parse(value, {}, START_MS)


def test_envelopes_hold_the_same_like() -> None:
    fields = {"actor_id": "ann", "target_id": "song"}
    time = "2026-01-01T00:00:00Z"
    structured = {
        "specversion": "1.0",
        "id": "e1",
        "type": "like",
        "source": "/app",
        "time": time,
        "data": fields,
    }
    activity = {
        "@context": "https://www.w3.org/ns/activitystreams",
        "type": "Like",
        "id": "e1",
        "actor": {"id": "ann"},
        "object": "song",
        "published": time,
    }
    undo = {**activity, "type": "Undo", "object": {"type": "Like", "actor": "ann", "object": "song"}}
    found = [
        parse(json.dumps(structured).encode(), {}, START_MS),
        parse(
            json.dumps(fields).encode(),
            {"ce_specversion": b"1.0", "ce_id": b"e1", "ce_source": b"/app", "ce_time": time.encode()},
            START_MS,
        ),
        parse(json.dumps(activity).encode(), {}, START_MS),
        parse(json.dumps(undo).encode(), {}, START_MS),
    ]
    assert {(f.actor_id, f.target_id, f.occurred_at) for f in found} == {("ann", "song", START_MS)}
    assert [f.event_id for f in found] == ["/app e1", "/app e1", "e1", "e1"]
    assert [f.action for f in found] == ["like", "like", "like", "unlike"]


names = st.one_of(st.sampled_from([*Like.model_fields, "@context", "type", "object", "specversion", "data"]), st.text())
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(names, inner, max_size=6),
    ),
    max_leaves=12,
)
header_values = st.dictionaries(
    st.sampled_from(["ce_specversion", "ce_id", "ce_time", "truelike-errors", "x"]), st.binary(max_size=12), max_size=3
)


@given(
    value=st.one_of(
        st.none(),
        st.binary(max_size=60),
        json_values.map(lambda v: json.dumps(v).encode()),
        events.map(lambda e: json.dumps(e).encode()),
    ),
    headers=header_values,
    timestamp=st.integers(-(2**63), 2**63 - 1),
)
def test_whatever_comes_is_a_like_or_has_a_reason(
    value: bytes | None, headers: dict[str, bytes], timestamp: int
) -> None:
    found = decode([Message(value, 0, 7, timestamp, headers, None)])
    assert found.likes.num_rows + len(found.rejections) + found.ignored == 1
    for rejection in found.rejections:
        assert all(rejection.errors)
        output = _to_output(rejection)
        assert output.value == (value or b"")
        assert dict(output.headers or [])["truelike-source"] == b"likes.v1/0/7"


def test_what_no_broker_would_take_back_is_cut_and_says_so() -> None:
    huge = Message(b"x" * (3 << 20), 0, 1, START_MS, {})
    (rejection,) = decode([huge]).rejections
    assert rejection.errors == (f"message: has {3 << 20} bytes; at most 262144",)
    output = _to_output(rejection)
    assert len(output.value) == 1 << 20
    assert dict(output.headers or [])["truelike-truncated"] == str(3 << 20).encode()


def messages(rows: list[dict[str, Any]]) -> list[Message]:
    return [Message(json.dumps(r).encode(), 0, n, LATEST_MS, {}) for n, r in enumerate(rows)]


@given(st.lists(st.integers(0, 15), max_size=60), st.lists(st.integers(0, 60), max_size=5), st.booleans())
def test_an_event_id_counts_once_whatever_the_batches_and_restarts(
    ids: list[int], cuts: list[int], restart: bool
) -> None:
    rows = messages([like(i) for i in ids])
    intake, kept = Intake(1000), []
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(rows)], strict=True):
        kept += intake.take(rows[start:stop]).likes.column("event_id").to_pylist()
        if restart:
            saved, intake = intake, Intake(1000)
            intake.restore(saved.snapshot())
            intake.counters = saved.counters
    assert kept == list(dict.fromkeys(f"e{i}" for i in ids))
    assert intake.counters["duplicates"] == len(ids) - len(kept)


def test_all_fields_reach_the_frame() -> None:
    event = like(
        1,
        action="buy",
        creator_id="c",
        actor_kind="agent",
        actor_created_at=START_MS - 1,
        content_origin="ai",
        surface="assistant",
        rank=3,
        propensity=0.25,
        actor_locale="en",
        content_language="de-CH",
        origin_hash="h",
    )
    builder = FrameBuilder(4, 10)
    builder.add(decode(messages([event])).likes)
    (output,) = builder.close(Progress(4, {0: 7}))
    frame = from_message(output.value, output.headers)
    row = frame.batch.to_pylist()[0]
    assert {k: row[k] for k in ("action", "actor_kind", "content_origin", "surface")} == {
        "action": 3,
        "actor_kind": 2,
        "content_origin": 2,
        "surface": 5,
    }
    assert all(
        row[k] == event[k]
        for k in ("event_id", "creator_id", "actor_created_at", "rank", "propensity", "actor_locale", "origin_hash")
    )
    assert frame.progress == Progress(4, {0: 7})


def test_an_idle_source_follows_the_furthest_and_the_clock() -> None:
    sources = Sources(2, idle_seconds=5, speed=2.0)
    sources.take(0, -1, 0.0)
    sources.take(1, -1, 0.0)
    sources.read(0, 10_000, 1.0)
    assert sources.progress(1.0).watermarks == {0: 10_000, 1: -1}
    assert sources.progress(5.5).watermarks == {0: 10_000, 1: 10_000 + 9_000}
    assert sources.progress(6.0).watermarks == {0: 20_000, 1: 20_000}


@pytest.mark.parametrize(
    ("body", "kind", "count"),
    [
        (b'{"a":1}', "application/json", 1),
        (b'[{"a":1},{"b":2}]', "application/json", 2),
        (b'{"a":1}\n\n{"b":2}\n', "application/x-ndjson", 2),
    ],
)
def test_bodies_split_into_events(body: bytes, kind: str, count: int) -> None:
    assert len(split_body(body, {"content-type": kind})) == count


def test_a_body_that_is_neither_says_so() -> None:
    with pytest.raises(ValueError, match="neither a JSON object nor an array"):
        split_body(b"7", {"content-type": "application/json"})


class NoSchemas:
    """A registry for messages that need none."""

    readers: ClassVar[dict[int, Any]] = {}

    async def fetch(self, _: Any) -> None:
        pass


async def test_a_snapshot_waits_for_rejections_that_were_on_their_way_during_another_one(tmp_path: Path) -> None:
    room, acknowledged = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def send(_: Output) -> asyncio.Future[Any]:
        await room.wait()
        return acknowledged

    runner = IngestRunner(IngestSettings(checkpoint_dir=tmp_path), send, NoSchemas())  # type: ignore[arg-type]
    await runner.assign(0)
    await runner.assign(1)
    record = SimpleNamespace(value=b"no like", partition=0, offset=0, timestamp=1, headers=(), key=None)
    taking = asyncio.create_task(runner.take(0, runner.held[0], [record], 0.0))
    await asyncio.sleep(0.01)
    # A rebalance asks for the other partition's snapshot while the producer has no room for the rejection.
    await runner.settle(runner.held[1])
    room.set()
    await taking
    saving = asyncio.create_task(runner.checkpoint([0]))
    await asyncio.sleep(0.05)
    assert not saving.done()
    acknowledged.set_result(None)
    assert await saving == {0: 0}
