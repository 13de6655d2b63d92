"""What tools read of the topics is what the services really send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from services.charts.limits import ChartLimits
from services.charts.saying import documents, messages
from services.charts.task import ChartsTask
from services.choice.task import ChoiceTask
from services.console.api import build_app
from services.detector.group import GroupTask
from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.ingest.framing import EXPOSURES_FRAMING, FrameBuilder
from services.ingest.runner import EXPOSURES_SOURCE, _to_output
from services.ingest.slate_intake import SlateIntake
from services.predictor.model import CoPreference
from services.predictor.publishing import Basis, Documents
from services.predictor.task import PredictorTask
from services.simulator.events import events
from services.simulator.sender import MALFORMED
from services.simulator.settings import WorldSettings
from services.simulator.world import World
from shared import contracts, schemas
from shared.compiled import PROJECT
from shared.contract.decode import Message, Rejection
from shared.events import Like
from shared.forgetting import Request, to_detector, to_message
from shared.frames import Frame, Lineage, Output, Progress, from_message
from shared.health import Health
from shared.labels import LABELS
from shared.rejections import MOST_BYTES
from shared.topics import CHOICE_REPORTS, EXPOSURES, LIKES, LIKES_REJECTED, PREFERENCES, REVIEWS, TOPICS, Arrow, Json
from tests.choice_steps import slates, steps
from tests.contracts import described_as, descriptions, of_topic
from tests.likes import START_MS, crowd, like
from tests.trusted_likes import made
from truelike.cli.app import app as cli
from truelike.cli.contracts import not_current
from truelike.files.offline import OfflineIngest

ROOT = PROJECT
ASYNCAPI = json.loads((ROOT / "tests/asyncapi/3.0.0.json").read_text())


def sent_by_ingest() -> Iterator[Output]:
    ingest = OfflineIngest(2)
    events = [
        *crowd(seed=3),
        *(
            like(90_000 + n, "helper", f"t{n}", n, actor_kind="agent", creator_id="c", origin_hash="o")
            for n in range(9)
        ),
        *(like(91_000 + n, "hasty", f"t{n}", n / 100) for n in range(90)),
    ]
    yield from ingest.take([msgspec.json.encode(e) for e in events], [e["actor_id"] for e in events])
    yield from ingest.take([MALFORMED, b"\xff"], ["a", "b"])
    yield from ingest.end()
    rejections = [Rejection(r.message, r.errors) for r in ingest.rejections]
    assert len(rejections) == 2
    large = Message(b"x" * (MOST_BYTES + 1), 0, 7, START_MS, {"ce_id": b"1"}, b"ann")
    for rejection in (*rejections, Rejection(large, ("message: not JSON",))):
        yield _to_output(rejection)


def sent_with_exposures() -> Iterator[Output]:
    """A review and a slate as a platform sends them, what ingest makes of the slate, and one that is none."""
    review = {"actor_id": "u", "found": "bot", "drawn": "by appeal", "reviewed_at": START_MS, "reviewer_id": "r"}
    yield Output(REVIEWS, msgspec.json.encode(review), 0, b"u")
    slate = {"slate_id": "s", "occurred_at": START_MS, "actor_id": "u", "items": [{"target_id": "t", "rank": 0}]}
    values = (msgspec.json.encode(slate), MALFORMED)
    yield Output(EXPOSURES, values[0], 0, b"u")
    messages = [Message(value, 0, offset, START_MS, {}) for offset, value in enumerate(values)]
    taken, builder = SlateIntake(10, 1.0).take(messages), FrameBuilder(1, 1, EXPOSURES_FRAMING)
    builder.add(taken.rows)
    yield from builder.close(Progress(1, {0: START_MS}))
    yield from (_to_output(rejection, EXPOSURES_SOURCE) for rejection in taken.rejections)


def sent_by_the_detector(frames_by_actor: list[Output]) -> Iterator[Output]:
    """All that its stages send, to each other too."""
    detector, kept = Detector(Judgement(partitions=2)), []

    def kept_of(process: Any) -> Any:
        def processed(frame: Frame, offset: int) -> list[Output]:
            outputs = process(frame, offset)
            kept.extend(outputs)
            return outputs

        return processed

    for task in detector.tasks.values():
        task.process = kept_of(task.process)  # type: ignore[method-assign]
    assert list(detector.feed(frames_by_actor))
    asked = to_detector(Request("r2", ["bot3", "helper"], START_MS), 2)
    list(detector.feed(asked))
    yield from (*asked, *kept)


def sent_by_groups() -> Iterator[Output]:
    """Two campaigns that a link joins, one that does not stand, and the end of the horizon."""
    groups = GroupTask(0, Judgement(1, horizon_ms=1000))
    said = [((1, 2), (2, 3)), ((4, 5), (5, 6)), ((3, 4),), ((7, 8), (8, 9)), ((7, None), (8, None)), ((10, 11),)]
    for at, pairs in enumerate(said):
        links = [
            {
                "kind": 0,
                "scale_seconds": 60,
                "target_ids": ["t"],
                "creator_ids": [],
                "strength": 1.0,
                "likes": 1,
                "weight": 0.1,
                "sentence": "They met.",
                "actor": actor,
                "actor_id": f"a{actor}",
                "nodes": [node] if node else [],
                "first_at": at * 600,
                "last_at": at * 600,
            }
            for pair in pairs
            for actor, node in (pair, pair[::-1])
            if actor
        ]
        batch = pa.RecordBatch.from_pylist(links, schemas.LINKS)
        yield from groups.process(Frame("links", batch, Lineage("verdict-links", 0, at, at * 600)), at)


def sent_by_the_predictor() -> Iterator[Output]:
    model, rows = CoPreference(), [(f"u{user}", f"i{(user + k) % 8}") for k in range(4) for user in range(8)]
    users, items = (pa.array(column) for column in zip(*rows, strict=True))
    model.score_and_learn(users, items, START_MS + np.arange(32), np.ones(32, np.float32))
    basis = Basis(31, START_MS + 31, model.probabilities())
    asked = ["u0", "u1", "nobody yet"]
    rankings = model.ranked(model.users.of(pa.array(asked)))
    for user, record in zip(asked, Documents().of_topic(basis, model, rankings), strict=True):
        yield Output(PREFERENCES, record, 0, user.encode())
    yield from forecasts()


def forecasts() -> list[Output]:
    """Of likes that the predictor had something to go by, and of those it had not; and a request to forget."""
    task, request = PredictorTask(2), to_message(Request("r3", ["u1"], START_MS))
    likes = pa.RecordBatch.from_pylist(made(60), schemas.TRUSTED_LIKES)
    return [
        *task.process(Frame("trusted-likes", likes), 0),
        *task.process(from_message(request.value, request.headers), 1),
    ]


def sent_by_choice() -> Iterator[Output]:
    """Likes with and without bits, and a user who is forgotten; the report as the service sends it."""
    task = ChoiceTask(0, 1000, 1000)
    for step in steps([made(60), ["u1"]], slates(9)):
        yield from task.process(step)
    for user, report in zip(task.users(), task.reports(task.users()), strict=True):
        yield Output(CHOICE_REPORTS, report, 0, user.encode())


def sent_by_charts() -> Iterator[Output]:
    """Charts of likes, and that they are none any more once all likes are forgotten, as are reviews."""
    task = ChartsTask(0, ChartLimits(entries=200_000, likes=1000, segments=2))
    likes = made(60)
    task.take(pa.RecordBatch.from_pylist(likes, schemas.TRUSTED_LIKES))
    yield from messages(documents(task, task.changed(), 50, 0))
    request = to_message(Request("r4", sorted({row["actor_id"] for row in likes}), START_MS))
    yield from task.process(from_message(request.value, request.headers), 1)
    yield from messages(documents(task, task.changed(), 50, 1))


def sent_by_the_simulator() -> Iterator[Output]:
    world = World(WorldSettings(seed=1), START_MS)
    for event in events(world, world.take(2000), 0):
        yield Output(LIKES, msgspec.json.encode(event), None, event["actor_id"].encode())


@pytest.fixture(scope="module")
def sent() -> list[Output]:
    ingest = list(sent_by_ingest())
    by_actor = [output for output in ingest if output.topic != LIKES_REJECTED]
    asked = to_message(Request("r1", ["ann"], START_MS))
    others = (
        *sent_by_the_detector(by_actor),
        *sent_by_groups(),
        *sent_by_the_predictor(),
        *sent_by_choice(),
        *sent_by_charts(),
        *sent_by_the_simulator(),
    )
    return [*ingest, *sent_with_exposures(), *others, asked]


def test_everything_that_the_services_send_is_as_described(sent: list[Output]) -> None:
    found = {(o.topic, described_as(o.topic, o.key, None if o.tombstone else o.value, o.headers or [])) for o in sent}
    # Who forgets a user needs a broker: tests/integration/test_contracts.py.
    assert found == descriptions() - {(PREFERENCES, "Tombstone")}
    assert {name for o in sent if o.topic == LIKES_REJECTED for name, _ in o.headers or ()} == {
        "ce_id",
        *contracts.schemas()[LIKES_REJECTED]["properties"],
    }


def test_each_case_of_a_message_is_among_what_was_sent(sent: list[Output]) -> None:
    messages: dict[str, list[dict[str, Any]]] = {}
    for output in sent:
        if output.topic in ("verdicts.v1", "campaigns.v1", "preferences.v1") and not output.tombstone:
            messages.setdefault(output.topic, []).append(json.loads(output.value))
    simulated = [json.loads(output.value) for output in sent if output.topic == LIKES]
    assert {e.get("actor_kind") for e in simulated} == {None, "agent"}
    assert {e["signal"] for v in messages["verdicts.v1"] for e in v["evidence"]} == {
        "haste",
        "lockstep",
        "declared_agent",
    }
    assert {v["label"] for v in messages["verdicts.v1"]} >= {"suspect", "bot", "agent"}
    ends = ("merged_into", "expired", "withdrawn")
    assert {tuple(bool(c[end]) for end in ends) for c in messages["campaigns.v1"]} == {
        (False, False, False),
        (True, False, False),
        (False, True, False),
        (False, False, True),
    }
    assert {p["because"] is None for u in messages["preferences.v1"] for p in u["predictions"]} == {True, False}


@pytest.mark.parametrize("topic", ["verdicts.v1", "campaigns.v1", "preferences.v1"])
def test_a_field_more_or_less_or_of_another_type_is_noticed(sent: list[Output], topic: str) -> None:
    message = next(json.loads(output.value) for output in sent if output.topic == topic)
    of_topic(topic).validate(message)
    with pytest.raises(jsonschema_rs.ValidationError):
        of_topic(topic).validate({**message, "new": 1})
    for name, value in message.items():
        with pytest.raises(jsonschema_rs.ValidationError):
            of_topic(topic).validate({n: v for n, v in message.items() if n != name})
        with pytest.raises(jsonschema_rs.ValidationError):
            of_topic(topic).validate({**message, name: {"of": value}})


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**42),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
    st.sampled_from(
        ["like", "unlike", "agent", "ai", "search", "en-GB", "en\n", "2026-01-01T00:00:00Z", "", "x" * 513]
    ),
)
likes = st.fixed_dictionaries(
    {name: st.one_of(st.just(value), st.just(value), scalars) for name, value in like(1).items()},
    optional={name: scalars for name in Like.model_fields if name not in like(1)} | {"unknown": scalars},
)


@given(likes)
def test_what_the_contract_of_a_like_accepts_its_schema_accepts(event: dict[str, Any]) -> None:
    try:
        Like.model_validate(event)
    except ValidationError:
        return
    jsonschema_rs.validate(contracts.schemas()[LIKES], event)


@pytest.mark.parametrize(
    "change",
    [
        dict.fromkeys(name for name in Like.model_fields if name not in like(1)),
        {"event_id": 7, "actor_id": 7.0, "occurred_at": 1_767_225_600.5, "rank": "3", "propensity": "0.5"},
        {"target_id": None, "action": "unlike", "undoes": "https://m.example/likes/1"},
    ],
)
def test_what_is_allowed_beyond_the_fields_types_is_in_the_schema(change: dict[str, Any]) -> None:
    assert Like.model_validate({**like(1), **change}).event_id
    jsonschema_rs.validate(contracts.schemas()[LIKES], {**like(1), **change})


@pytest.mark.parametrize(
    "change",
    [
        {"target_id": None},
        {"event_id": ""},
        {"actor_id": None},
        {"target_id": ["song"]},
        {"occurred_at": [START_MS]},
        {"occurred_at": -1},
        {"action": "adore"},
        {"rank": -1},
        {"rank": 2**31},
        {"propensity": 0},
        {"content_language": "en GB"},
        {"actor_kind": "Agent"},
        {"signature": "verified"},
        {"mandate": "yes"},
        {"user_present": "maybe"},
        {"slate_id": ""},
        {"slate_id": "s" * 65},
        {"topic": "t" * 65},
        {"agent_key": "k" * 257},
    ],
)
def test_what_the_schema_of_a_like_refuses_is_refused(change: dict[str, Any]) -> None:
    schema = jsonschema_rs.validator_for(contracts.schemas()[LIKES])
    assert schema.is_valid(like(1))
    assert not schema.is_valid({**like(1), **change})
    with pytest.raises(ValidationError):
        Like.model_validate({**like(1), **change})


def test_the_document_is_as_asyncapi_wants_it() -> None:
    asyncapi = jsonschema_rs.validator_for(ASYNCAPI)
    asyncapi.validate(contracts.asyncapi())
    assert contracts.asyncapi()["channels"].keys() == {topic.name for topic in TOPICS}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("asyncapi", "2.6.0"),
        ("info/version", None),
        ("channels/likes.v1/topic", "likes.v1"),
        ("channels/likes.v1/bindings/kafka/topicConfiguration/retention.ms", "604800000"),
        ("channels/campaigns.v1/bindings/kafka/topicConfiguration/cleanup.policy", "compact"),
        ("channels/campaigns.v1/bindings/kafka/partitions", 0),
        ("channels/verdicts.v1/messages/Verdict/bindings/kafka/keys", {}),
        ("channels/verdicts.v1/messages/Verdict/payload/type", "objekt"),
        ("operations/send-verdicts.v1/action", "publish"),
        ("components/schemas/Verdict/required", "actor_id"),
    ],
)
def test_a_broken_document_is_not(path: str, value: Any) -> None:
    document = contracts.asyncapi()
    *parents, last = path.split("/")
    place = document
    for name in parents:
        place = place[name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    assert not jsonschema_rs.validator_for(ASYNCAPI).is_valid(document)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for part in node.values():
            yield from references(part)
    elif isinstance(node, list):
        for part in node:
            yield from references(part)


def test_all_references_lead_somewhere() -> None:
    document = contracts.asyncapi()
    found = set(references(document))
    assert "#/components/schemas/Evidence" in found
    for reference in found:
        root, *names = reference.split("/")
        assert root == "#"
        place = document
        for name in names:
            place = place[name]
        assert isinstance(place, dict)


def test_schemas_are_as_their_meta_schema_wants_them() -> None:
    for schema in contracts.schemas().values():
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        jsonschema_rs.meta.validate(schema)
        with pytest.raises(jsonschema_rs.ValidationError):
            jsonschema_rs.meta.validate({**schema, "required": "actor_id"})


def test_topics_say_what_decides_on_the_partition() -> None:
    for topic in TOPICS:
        if isinstance(topic.content, Json):
            assert topic.key in topic.content.model.model_fields
    columns = {
        name for t in TOPICS if isinstance(t.content, Arrow) for s in t.content.kinds.values() for name in s.names
    }
    assert schemas.CODES.keys() <= columns
    assert LABELS == ("human", "suspect", "bot", "agent")


def test_the_files_are_current() -> None:
    wrong = not_current(ROOT / "docs/contracts")
    assert not wrong, f"run `truelike contracts` and commit docs/contracts; remove what no topic has: {wrong}"


def test_the_command_writes_them_and_says_which_are_not_current(tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["contracts", "--out", str(tmp_path / "made"), *arguments])
        return done.exit_code, done.output

    code, said = run("--check")
    assert (code, said.splitlines()) == (1, [f"{path}: missing" for path in contracts.files()])
    assert not (tmp_path / "made").exists()
    assert run()[0] == 0
    assert run("--check") == (0, "")
    (tmp_path / "made/schemas/likes.v0.json").write_text("{}")
    (tmp_path / "made/asyncapi.json").write_text("{}")
    assert run("--check") == (1, "schemas/likes.v0.json: no topic has it\nasyncapi.json: not current\n")
    assert run()[0] == 0
    assert run("--check") == (1, "schemas/likes.v0.json: no topic has it\n")
    assert {path.suffix for path in (tmp_path / "made").rglob("*") if path.is_file()} == {".json"}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(cli, ["contracts", "--out", str(tmp_path / "file")])
    assert done.exit_code == 2
    assert "File exists" in done.output
    assert "Traceback" not in done.output


async def test_the_console_serves_what_is_in_the_files() -> None:
    app = build_app(None, Health("console", dict, dict, list))  # type: ignore[arg-type]
    files = contracts.files()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client:
        listed = (await client.get("/v1/schemas")).json()["schemas"]
        assert {entry["name"] for entry in listed} == {t.name for t in TOPICS if not isinstance(t.content, Arrow)}
        for entry in listed:
            answer = await client.get(f"/v1/schemas/{entry['name']}")
            assert answer.headers["content-type"] == "application/schema+json"
            assert answer.json() == json.loads(files[f"schemas/{entry['name']}.json"])
        answer = await client.get("/v1/asyncapi")
        assert answer.headers["content-type"] == "application/vnd.aai.asyncapi+json"
        assert answer.json() == json.loads(files["asyncapi.json"])
        answer = await client.get("/v1/schemas/verdicts")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert "verdicts.v1" in answer.json()["detail"]
        described = (await client.get("/openapi.json")).json()["paths"]
    assert [*described["/v1/schemas/{name}"]["get"]["responses"]["200"]["content"]] == ["application/schema+json"]
    assert [*described["/v1/asyncapi"]["get"]["responses"]["200"]["content"]] == ["application/vnd.aai.asyncapi+json"]
