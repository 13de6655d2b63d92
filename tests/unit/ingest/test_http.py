"""`POST /v1/likes`: what is answered, and what the broker is given."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from services.ingest.http import Gate, build_app
from services.ingest.runner import _message
from services.ingest.settings import IngestSettings
from shared.contract import slates
from shared.contract.decode import parse
from shared.health import Health
from shared.topics import EXPOSURES, REVIEWS
from tests.likes import START_MS, like

JETSTREAM = {"did": "did:plc:a", "time_us": START_MS * 1000, "kind": "identity"}
CE = {"ce-specversion": "1.0", "ce-id": "a b", "ce-source": "/s", "ce-type": "like", "ce-time": "2026-01-01T00:00:00Z"}


class Broker:
    """Takes everything, and remembers it."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, bytes, dict[str, bytes]]] = []
        self.topics: set[str] = set()

    async def send(self, topic: str, value: bytes, key: bytes, headers: list[tuple[str, bytes]]) -> Any:
        self.topics.add(topic)
        self.messages.append((key, value, dict(headers)))

        async def acknowledged() -> None: ...

        return acknowledged()


def ingest() -> tuple[httpx.AsyncClient, Broker]:
    gate, broker = Gate(IngestSettings()), Broker()
    gate.producer = broker  # type: ignore[assignment]
    app = build_app(gate, Health("test", dict, dict, list))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ingest"), broker


@pytest.mark.parametrize(
    ("events", "status", "counts"),
    [
        ([like(1), like(2)], 202, (2, 0, 0)),
        ([like(1), {"event_id": "bad"}], 202, (1, 1, 0)),
        ([{"event_id": "bad"}, {**like(1), "actor_id": True}], 422, (0, 2, 0)),
        ([JETSTREAM, like(1)], 202, (1, 0, 1)),
        ([JETSTREAM, {"event_id": "bad"}], 422, (0, 1, 1)),
        ([JETSTREAM], 200, (0, 0, 1)),
    ],
)
async def test_the_status_says_whether_anything_was_accepted(
    events: list[dict[str, Any]], status: int, counts: tuple[int, int, int]
) -> None:
    client, broker = ingest()
    answer = await client.post("/v1/likes", json=events)
    found = answer.json()
    assert answer.status_code == status
    assert (found["accepted"], found["rejected"], found["ignored"]) == counts
    assert len(broker.messages) == counts[0]


async def test_all_refused_is_a_problem_with_the_reasons_by_index() -> None:
    client, _ = ingest()
    answer = await client.post("/v1/likes", json=[{**like(0), "actor_id": None}, {**like(1), "rank": "x"}])
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["detail"] == "none of 2 events is a like that can be accepted; event 0: actor_id: Field required"
    assert [(e["index"], e["errors"]) for e in found["errors"]] == [
        (0, ["actor_id: Field required"]),
        (1, ["rank: 'x' is no number"]),
    ]


@pytest.mark.parametrize("body", [b"[]", b'{"batch": []}'])
async def test_no_event_is_nothing_accepted(body: bytes) -> None:
    client, _ = ingest()
    answer = await client.post("/v1/likes", content=body)
    assert (answer.status_code, answer.json()["detail"]) == (422, "the request holds no event")


async def test_a_binary_cloud_event_reaches_kafka_in_its_binary_mode() -> None:
    client, broker = ingest()
    body = json.dumps({"actor_id": "ann", "target_id": "song"}).encode()
    headers = {**CE, "ce-source": "/caf%C3%A9", "content-type": "application/json"}
    assert (await client.post("/v1/likes", content=body, headers=headers)).status_code == 202
    ((key, value, kept),) = broker.messages
    assert (key, value, kept["ce_source"]) == (b"ann", body, "/café".encode())
    assert parse(value, kept, START_MS).event_id == "/café a b"


async def test_each_event_of_a_batch_is_a_message_with_its_own_key() -> None:
    client, broker = ingest()
    calls = [
        {"type": "track", "event": "Post Liked", "userId": n, "messageId": f"m{n}", "properties": {"post_id": "p"}}
        for n in range(3)
    ]
    answer = await client.post("/v1/likes", json={"sentAt": "2026-01-01T00:00:00Z", "batch": calls})
    assert (answer.status_code, answer.json()["accepted"]) == (202, 3)
    assert [key for key, _, _ in broker.messages] == [b"0", b"1", b"2"]


@pytest.mark.parametrize("timestamp", [-1, 0])
def test_a_message_without_a_usable_timestamp_was_received_now(timestamp: int) -> None:
    record = SimpleNamespace(value=json.dumps(like(1)).encode(), partition=0, offset=7, headers=(), key=None)
    record.timestamp = timestamp
    message = _message(record)
    assert message.timestamp > START_MS
    assert parse(message.value, message.headers, message.timestamp).event_id == "e1"


SLATE = {"slate_id": "s", "occurred_at": START_MS, "actor_id": 7, "items": [{"target_id": "t", "rank": 0}]}


@pytest.mark.parametrize(
    ("slates", "status", "counts"),
    [
        (SLATE, 202, (1, 0)),
        ([SLATE, {**SLATE, "items": []}], 202, (1, 1)),
        ([like(1)], 422, (0, 1)),
    ],
)
async def test_slates_are_answered_one_by_one(slates: Any, status: int, counts: tuple[int, int]) -> None:
    client, broker = ingest()
    answer = await client.post("/v1/exposures", json=slates)
    assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"]) == (status, *counts)
    assert [key for key, _, _ in broker.messages] == [b"7"] * counts[0]
    assert broker.topics <= {EXPOSURES}
    if status == 422:
        assert answer.json()["detail"].startswith("none of 1 events is a slate that can be accepted; event 0: slate_id")


REVIEW = {
    "actor_id": 7,
    "found": "person",
    "drawn": "independently",
    "reviewed_at": "2026-01-01T00:00:00Z",
    "reviewer_id": "rae",
}


@pytest.mark.parametrize(
    ("sent", "status", "counts"),
    [
        (REVIEW, 202, (1, 0)),
        ([REVIEW | {"locale": "cy-GB", "review_id": "r1"}, REVIEW | {"found": "human"}], 202, (1, 1)),
        ([REVIEW | {"drawn": "by chance"}], 422, (0, 1)),
        ([REVIEW | {"note": "x" * 70_000}], 422, (0, 1)),
    ],
)
async def test_reviews_are_answered_one_by_one(sent: Any, status: int, counts: tuple[int, int]) -> None:
    client, broker = ingest()
    answer = await client.post("/v1/reviews", json=sent)
    assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"]) == (status, *counts)
    assert [key for key, _, _ in broker.messages] == [b"7"] * counts[0]
    assert broker.topics <= {REVIEWS}
    if status == 422:
        assert answer.json()["detail"].startswith("none of 1 events is a review that can be accepted; event 0: ")


async def test_a_review_without_a_broker_is_to_be_sent_again() -> None:
    gate = Gate(IngestSettings())
    transport = httpx.ASGITransport(build_app(gate, Health("test", dict, dict, list)))
    async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
        answer = await client.post("/v1/reviews", json=REVIEW)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


UNTIMED = {name: value for name, value in SLATE.items() if name != "occurred_at"}
CLOUD_EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "shown", "time": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("body", "headers", "status", "accepted"),
    [
        ({**CLOUD_EVENT, "data": UNTIMED}, {"content-type": "application/cloudevents+json"}, 202, 1),
        ([{**CLOUD_EVENT, "data": UNTIMED}] * 2, {"content-type": "application/cloudevents-batch+json"}, 202, 2),
        (UNTIMED, {**CE, "ce-time": "2026-01-01T00:00:00Z", "content-type": "application/json"}, 202, 1),
        ({"schema": {}, "payload": SLATE}, {}, 202, 1),
        ({"schema": {}, "payload": None}, {}, 200, 0),
        ({**CLOUD_EVENT, "data": {}}, {}, 422, 0),
    ],
)
async def test_slates_come_in_the_envelopes_that_likes_come_in(
    body: Any, headers: dict[str, str], status: int, accepted: int
) -> None:
    client, broker = ingest()
    answer = await client.post("/v1/exposures", content=json.dumps(body).encode(), headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (status, accepted)
    assert [key for key, _, _ in broker.messages] == [b"7"] * accepted
    # What reaches Kafka is read there as it was here.
    for _, value, kept in broker.messages:
        assert slates.parse(value, kept, START_MS).slate_id == "s"
