"""Connectors that are called: who is let in, what becomes of each event, and when the answer is 200."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
import tracemalloc
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.errors import KafkaTimeoutError
from starlette.applications import Starlette

from services.connector import receiving
from services.connector.receiving import Receiver
from services.connector.settings import ConnectorSettings
from services.connector.sources.segment import Segment
from services.connector.sources.webhook import Webhook
from shared import access_tokens
from shared.access_tokens import Access
from shared.auth import AuthMiddleware
from shared.body_reader import BODIES_BYTES
from shared.health import Health
from shared.topics import LIKES, LIKES_REJECTED

TIME = "2026-01-01T00:00:00.123Z"
TRACK: dict[str, Any] = {
    "anonymousId": "507f191e810c19729de860ea",
    "channel": "browser",
    "context": {"ip": "8.8.8.8", "locale": "en-GB", "library": {"name": "analytics.js", "version": "2.11.1"}},
    "event": "Post Liked",
    "integrations": {},
    "messageId": "022bb90c-bbac-11e4-8dfc-aa07a5b093db",
    "originalTimestamp": "2026-01-01T00:00:00.100Z",
    "properties": {"postId": "post-7", "author_id": "bob"},
    "receivedAt": "2026-01-01T00:00:00.999Z",
    "sentAt": "2026-01-01T00:00:00.707Z",
    "timestamp": TIME,
    "type": "track",
    "userId": "ann",
    "version": "1.1",
}
STAR: dict[str, Any] = {
    "action": "created",
    "starred_at": "2026-01-01T00:00:00Z",
    "repository": {
        "id": 186853002,
        "name": "Hello-World",
        "full_name": "Codertocat/Hello-World",
        "private": False,
        "owner": {"login": "Codertocat", "id": 21031067, "type": "User"},
    },
    "sender": {"login": "ann", "id": 1, "type": "User"},
}
STAR_MAP = (
    "event_id=@X-GitHub-Delivery,actor_id=sender.login,target_id=repository.full_name,"
    "creator_id=repository.owner.login,occurred_at=starred_at,action=action"
)


class Wire:
    """A producer whose broker answers at once, not at all, or with an error."""

    def __init__(self) -> None:
        self.is_open = True
        self.sent: list[tuple[str, bytes]] = []
        self.answer: Exception | str | None = None

    async def hand_over(self, outputs: Any) -> list[asyncio.Future[Any]]:
        futures = []
        for output in outputs:
            future = asyncio.get_running_loop().create_future()
            if isinstance(self.answer, Exception):
                future.set_exception(self.answer)
            elif self.answer is None:
                future.set_result(None)
                self.sent.append((output.topic, output.value))
            futures.append(future)
        return futures

    def likes(self) -> list[Any]:
        return [json.loads(value) for topic, value in self.sent if topic == LIKES]


def connector(
    source: type[Segment] | type[Webhook], tokens: Access | None = None, **settings: Any
) -> tuple[httpx.AsyncClient, Wire, Receiver]:
    found = ConnectorSettings.model_validate(settings)
    receiver = Receiver(found, source.__name__.lower(), source(found))
    wire = Wire()
    receiver.delivery = wire  # type: ignore[assignment]
    health = Health("connector", receiver.ready, lambda: receiver.live([]), receiver.samples)
    guarded = AuthMiddleware(Starlette(routes=[*health.routes(), *receiver.routes()]), tokens, receiver.write_routes)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url="http://connector")
    return client, wire, receiver


def body_of(event: Any) -> bytes:
    """As JavaScript writes it."""
    return json.dumps(event, separators=(",", ":")).encode()


def signed(body: bytes, secret: str, algorithm: str) -> str:
    return hmac.new(secret.encode(), body, algorithm).hexdigest()


@pytest.fixture
def tokens(tmp_path: Path) -> tuple[Access, dict[str, str]]:
    path = tmp_path / "tokens.json"
    shown = {
        "writer": access_tokens.add(path, "writer", frozenset({"likes:write"}), 10),
        "reader": access_tokens.add(path, "reader", frozenset({"read"}), 1000),
    }
    return Access(access_tokens.load(path)), {name: f"Bearer {token}" for name, token in shown.items()}


async def test_a_recorded_webhook_of_segment_becomes_a_like() -> None:
    client, wire, receiver = connector(Segment, segment_shared_secret="s3cret")
    body = body_of(TRACK)
    answer = await client.post("/", content=body, headers={"X-Signature": signed(body, "s3cret", "sha1")})
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "accepted": 1, "rejected": 0, "ignored": 0, "errors": []}
    assert wire.likes() == [
        {
            "event_id": TRACK["messageId"],
            "occurred_at": 1_767_225_600_123,
            "actor_id": "ann",
            "target_id": "post-7",
            "creator_id": "bob",
            "actor_locale": "en-GB",
        }
    ]
    assert receiver.counters["accepted"] == 1


async def test_segments_api_with_its_write_key_and_batches() -> None:
    client, wire, _ = connector(Segment, segment_write_key="key")
    basic = {"Authorization": "Basic " + base64.b64encode(b"key:").decode()}
    bare = {"userId": "ann", "event": "Track Unliked", "properties": {"track_id": 7}, "timestamp": TIME}
    for path in ("/v1/track", "/v1/t"):
        answer = await client.post(path, json={**bare, "messageId": path}, headers=basic)
        assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    batch = {
        "batch": [TRACK, {**TRACK, "event": "Page Viewed"}, {"type": "identify", "userId": "ann", "traits": {}}],
        "sentAt": TIME,
    }
    packed = gzip.compress(body_of(batch))
    for path in ("/v1/batch", "/v1/b", "/v1/import"):
        answer = await client.post(path, content=packed, headers={**basic, "Content-Encoding": "gzip"})
        assert (answer.status_code, answer.json()["accepted"], answer.json()["ignored"]) == (200, 1, 2)
    answer = await client.post("/v1/identify", json={"userId": "ann", "traits": {"a": 1}}, headers=basic)
    assert (answer.status_code, answer.json()["ignored"]) == (200, 1)
    assert [(e["event_id"], e.get("action", "like")) for e in wire.likes()] == [
        ("/v1/track", "unlike"),
        ("/v1/t", "unlike"),
        *[(TRACK["messageId"], "like")] * 3,
    ]


async def test_a_call_without_an_id_has_one_of_its_content_or_is_refused() -> None:
    client, wire, _ = connector(Segment)
    call = {"userId": "ann", "event": "Post Liked", "properties": {"post_id": "p"}, "timestamp": TIME}
    for _ in range(2):
        assert (await client.post("/v1/track", json=call)).status_code == 200
    assert (await client.post("/v1/track", json={**call, "userId": "bob"})).status_code == 200
    ids = [e["event_id"] for e in wire.likes()]
    assert ids[0] == ids[1] != ids[2]
    del call["timestamp"]
    refused = await client.post("/v1/track", json=call)
    assert refused.status_code == 422
    assert "messageId" in refused.json()["detail"]
    # With an id alone it is from now.
    assert (await client.post("/v1/track", json={**call, "messageId": "m"})).status_code == 200
    assert wire.likes()[-1]["occurred_at"] > 1_767_225_600_000


@pytest.mark.parametrize("path", ["/", "/v1/track", "/v1/batch"])
async def test_without_key_or_signature_nobody_is_let_in(path: str) -> None:
    client, wire, receiver = connector(Segment, segment_shared_secret="s3cret", segment_write_key="key")
    body = body_of(TRACK)
    batch = body_of([TRACK, {**TRACK, "messageId": "forged"}])
    right = signed(body, "s3cret", "sha1")
    for content, headers in (
        (body, {}),
        (body, {"X-Signature": ""}),
        (body, {"X-Signature": right[:-1] + ("0" if right[-1] != "0" else "1")}),
        (body, {"X-Signature": "ä".encode()}),
        (body, {"X-Signature": signed(body, "other", "sha1")}),
        (body + b" ", {"X-Signature": right}),
        (batch, {"X-Signature": right}),
        (body, {"Authorization": "Basic " + base64.b64encode(b"kez:").decode()}),
        (body, {"Authorization": "Basic ???"}),
        (body, {"Authorization": "Bearer key"}),
    ):
        answer = await client.post(path, content=content, headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["www-authenticate"] == 'Basic realm="write key"'
    assert "whole body" in answer.json()["detail"]
    assert wire.sent == []
    assert receiver.counters["refused"] == 10
    assert (await client.post(path, content=body, headers={"X-Signature": right})).status_code == 200


async def test_a_signature_takes_a_tokens_place_on_its_paths_alone(tokens: tuple[Access, dict[str, str]]) -> None:
    known, shown = tokens
    client, wire, receiver = connector(Segment, known, segment_shared_secret="s3cret")
    body = body_of(TRACK)
    signature = {"X-Signature": signed(body, "s3cret", "sha1")}
    for path in receiver.source.paths:
        assert (await client.post(path, content=body, headers=signature)).status_code == 200, path
        for authorization in ("", shown["writer"], shown["reader"]):
            answer = await client.post(path, content=body, headers={"Authorization": authorization})
            assert answer.status_code == 401, path
    sent = len(wire.sent)
    for path in ("/metrics", "/v1/likes", "/v1/track/", "/V1/track", "//v1/track", "/v1/webhook", "/v1/track/x"):
        for method in ("GET", "POST"):
            answer = await client.request(method, path, content=body, headers=signature)
            assert answer.status_code == 401, (method, path)
    assert (await client.get("/metrics", headers={"Authorization": shown["reader"]})).status_code == 200
    for path in ("/healthz", "/readyz"):
        assert (await client.get(path)).status_code in (200, 503)
    assert (await client.get("/")).status_code == 405
    assert len(wire.sent) == sent == len(receiver.source.paths)


async def test_without_a_secret_each_call_needs_a_token_that_may_write(
    tokens: tuple[Access, dict[str, str]],
) -> None:
    known, shown = tokens
    client, wire, receiver = connector(Segment, known)
    for path in receiver.source.paths:
        for authorization, status in (("", 401), ("Bearer x", 401), (shown["reader"], 403)):
            answer = await client.post(path, json=TRACK, headers={"Authorization": authorization})
            assert answer.status_code == status, path
    assert wire.sent == []
    writer = {"Authorization": shown["writer"]}
    answer = await client.post("/", json=[TRACK] * 20, headers=writer)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 20)
    limited = await client.post("/", json=[TRACK] * 20, headers=writer)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "2")


GITHUB = {"webhook_map": STAR_MAP, "webhook_actions": "created=like,deleted=unlike", "webhook_secret": "s3cret"}


async def test_githubs_stars_are_taken() -> None:
    client, wire, _ = connector(Webhook, **GITHUB)

    async def deliver(event: str, delivery: str, payload: Any, signature: str | None = None) -> httpx.Response:
        body = body_of(payload)
        shown = signature or "sha256=" + signed(body, "s3cret", "sha256")
        headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": delivery, "X-Hub-Signature-256": shown}
        return await client.post("/", content=body, headers={**headers, "Content-Type": "application/json"})

    ping = await deliver("ping", "d0", {"zen": "Design for failure.", "hook_id": 1, "sender": STAR["sender"]})
    assert (ping.status_code, ping.json()["ignored"]) == (200, 1)
    assert (await deliver("star", "d1", STAR)).status_code == 200
    assert (await deliver("star", "d2", {**STAR, "action": "deleted", "starred_at": None})).status_code == 200
    assert (await deliver("star", "d3", STAR, "sha256=" + "0" * 64)).status_code == 401
    liked, unliked = wire.likes()
    assert liked == {
        "event_id": "d1",
        "occurred_at": 1_767_225_600_000,
        "actor_id": "ann",
        "target_id": "Codertocat/Hello-World",
        "creator_id": "Codertocat",
    }
    assert (unliked["event_id"], unliked["action"], unliked["target_id"]) == ("d2", "unlike", liked["target_id"])
    assert unliked["occurred_at"] > liked["occurred_at"]


async def test_a_signature_in_base64_and_another_header() -> None:
    client, wire, _ = connector(
        Webhook,
        webhook_map="event_id=@X-Shopify-Event-Id,actor_id=customer.id,target_id=line_items.0.product_id,action=kind",
        webhook_actions="order=buy",
        webhook_secret="s3cret",
        webhook_signature_header="X-Shopify-Hmac-SHA256",
    )
    body = body_of({"kind": "order", "customer": {"id": 7}, "line_items": [{"product_id": 632910392}]})
    digest = base64.b64encode(hmac.digest(b"s3cret", body, hashlib.sha256)).decode()
    headers = {"X-Shopify-Hmac-SHA256": digest, "X-Shopify-Event-Id": "98880550-7158-44d4-b7cd-2c97c8a091b5"}
    assert (await client.post("/v1/webhook", content=body, headers=headers)).status_code == 200
    (bought,) = wire.likes()
    assert (bought["actor_id"], bought["target_id"], bought["action"]) == ("7", "632910392", "buy")
    assert (await client.post("/", content=body, headers={"X-Hub-Signature-256": digest})).status_code == 401


async def test_each_event_of_a_body_is_judged_by_itself() -> None:
    client, wire, receiver = connector(Webhook, webhook_map="event_id=id,actor_id=user.id,target_id=post.id")
    good = [{"id": f"e{n}", "user": {"id": n}, "post": {"id": "p"}, "text": "kept out"} for n in range(3)]
    events = [good[0], {"id": "e", "user": None}, good[1], [], good[2], "text"]
    lines = b"\n".join(map(body_of, events)) + b"\nno json"
    answer = await client.post("/", content=lines, headers={"Content-Type": "application/x-ndjson"})
    found = answer.json()
    assert (answer.status_code, found["accepted"], found["rejected"]) == (200, 3, 4)
    assert [error["index"] for error in found["errors"]] == [1, 3, 5, 6]
    assert [e["actor_id"] for e in wire.likes()] == ["0", "1", "2"]
    kept = [value for topic, value in wire.sent if topic == LIKES_REJECTED]
    assert kept == [body_of(events[1]), b"[]", b'"text"', b"no json"]
    assert receiver.counters["read"] == 7
    refused = await client.post("/", json={"user": {"id": 1}, "post": {"id": 2}})
    assert refused.status_code == 422
    assert "WEBHOOK_MAP" in refused.json()["detail"]


async def test_without_a_map_likes_and_known_envelopes_are_taken() -> None:
    client, wire, _ = connector(Webhook)
    like = {"event_id": "e1", "occurred_at": TIME, "actor_id": "ann", "target_id": "t"}
    assert (await client.post("/", json=[like, TRACK])).json()["accepted"] == 2
    attributes = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "com.x.liked", "ce-time": TIME}
    data = {"actor_id": "ann", "target_id": "t"}
    assert (await client.post("/", json=data, headers=attributes)).json()["accepted"] == 1
    assert [e["event_id"] for e in wire.likes()] == ["e1", TRACK["messageId"], "/s 1"]


async def test_200_means_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    client, wire, receiver = connector(Segment)
    monkeypatch.setattr(receiving, "ACKNOWLEDGE_SECONDS", 0.1)
    wire.answer = "never"
    late = await client.post("/", json=TRACK)
    wire.answer = KafkaTimeoutError()
    failed = await client.post("/", json=TRACK)
    wire.is_open = False
    away = await client.post("/", json=TRACK)
    for answer in (late, failed, away):
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert receiver.counters["unavailable"] == 3
    assert receiver.counters["accepted"] == receiver.likes_under_way == receiver.held_bytes == 0


async def test_bodies_are_bounded_also_unpacked() -> None:
    client, wire, receiver = connector(Segment, connector_max_body_bytes=1 << 16, connector_max_batch=3)
    bomb = gzip.compress(b" " * (50 << 20))
    packed = {"Content-Encoding": "gzip"}
    for content, headers, status in (
        (b" " * (1 << 17), {}, 413),
        (gzip.compress(b" " * (1 << 17)), packed, 413),
        (gzip.compress(b"{}")[:-4], packed, 400),
        (b"{}", packed, 400),
        (b"{}", {"Content-Encoding": "br"}, 400),
        (b"{", {}, 400),
        (b"7", {}, 400),
        (b"", {}, 400),
        (b"[{},{},{},{}]", {}, 413),
        (b"[{}]", {}, 422),
        (b"[]", {}, 200),
    ):
        answer = await client.post("/", content=content, headers=headers)
        assert answer.status_code == status, (content[:20], headers)
    assert len(bomb) < 1 << 16
    tracemalloc.start()
    assert (await client.post("/", content=bomb, headers=packed)).status_code == 413
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 << 20
    receiver.held_bytes = BODIES_BYTES
    assert (await client.post("/", json=TRACK)).status_code == 503
    assert wire.likes() == []
