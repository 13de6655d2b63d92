"""Likes framed by Confluent's serializers, with the schemas of a registry."""

from __future__ import annotations

import asyncio
import io
import json
from datetime import UTC, datetime
from typing import Any

import fastavro
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.registry import SchemaRegistry
from services.ingest.slate_intake import SlateIntake
from shared.contract import slates
from shared.contract.confluent import reader_of, schema_id
from shared.contract.decode import Decoded, Message, decode
from tests.likes import START_MS, like

ORIGIN = {"type": "enum", "name": "Origin", "symbols": ["unknown", "human", "ai", "mixed"]}
RECORD: dict[str, Any] = {
    "type": "record",
    "name": "Like",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "actor_id", "type": "long"},
        {"name": "target_id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "surface", "type": ["null", "string"], "default": None},
        {"name": "content_origin", "type": "Origin"},
    ],
}
TARGET = "00000000-0000-0000-0000-00000000002a"


def framed(number: int, content: bytes) -> bytes:
    return b"\x00" + number.to_bytes(4, "big") + content


def avro(number: int = 7) -> bytes:
    named: dict[str, Any] = {}
    fastavro.parse_schema(ORIGIN, named)
    row = {
        "event_id": "e1",
        "occurred_at": datetime.fromtimestamp(START_MS / 1000, UTC),
        "actor_id": 7,
        "target_id": TARGET,
        "surface": None,
        "content_origin": "ai",
    }
    sink = io.BytesIO()
    fastavro.schemaless_writer(sink, fastavro.parse_schema(RECORD, named), row)
    return framed(number, sink.getvalue())


class Registry:
    """Answers as a registry does; away for the first `away` requests."""

    def __init__(self, away: int = 0) -> None:
        self.asked: list[str] = []
        self.away = away

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if len(self.asked) <= self.away:
            return httpx.Response(503, text="starting")
        references = [{"name": "Origin", "subject": "origin", "version": 1}]
        answers: dict[str, Any] = {
            "/schemas/ids/7": {"schema": json.dumps(RECORD), "references": references},
            "/subjects/origin/versions/1": {"schema": json.dumps(ORIGIN)},
            "/schemas/ids/8": {"schemaType": "JSON", "schema": "{}"},
            "/schemas/ids/9": {"schemaType": "PROTOBUF", "schema": "syntax"},
            "/schemas/ids/10": {"schema": '{"type": "record"}'},
        }
        found = answers.get(request.url.path)
        return httpx.Response(200, json=found) if found else httpx.Response(404, json={"error_code": 40403})


def read(values: list[bytes], registry: Registry) -> tuple[Decoded, SchemaRegistry]:
    async def run() -> tuple[Decoded, SchemaRegistry]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(registry), base_url="http://registry") as client:
            schemas = SchemaRegistry(client)
            messages = [Message(value, 0, n, START_MS, {}) for n, value in enumerate(values)]
            await schemas.fetch(messages)
            await schemas.fetch(messages)
            return decode(messages, schemas.readers), schemas

    return asyncio.run(run())


def test_avro_and_json_framed_by_a_registry_are_likes() -> None:
    registry = Registry()
    decoded, _ = read([avro(), framed(8, json.dumps(like(2)).encode()), avro(), json.dumps(like(3)).encode()], registry)
    assert decoded.rejections == ()
    first, second, _, plain = decoded.likes.to_pylist()
    assert (first["actor_id"], first["target_id"], first["occurred_at"]) == ("7", TARGET, START_MS)
    assert (first["content_origin"], second["event_id"], plain["event_id"]) == (2, "e2", "e3")
    # Each schema once, and what it refers to.
    assert sorted(registry.asked) == ["/schemas/ids/7", "/schemas/ids/8", "/subjects/origin/versions/1"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (framed(9, b"x"), "PROTOBUF: only Avro and JSON Schema"),
        (framed(10, b"x"), "Avro schema cannot be read"),
        (framed(404, b"x"), "schema 404 is not in the registry"),
        (framed(8, b"{"), "not JSON"),
        (avro()[:-3], "not what its Avro schema says"),
        (avro() + b"\x00", "bytes are left over"),
        (b"\x00\x00", "too short for Confluent's wire format"),
    ],
)
def test_what_cannot_be_read_is_kept_with_the_reason(value: bytes, reason: str) -> None:
    decoded, _ = read([value, avro()], Registry())
    (rejection,) = decoded.rejections
    assert reason in rejection.errors[0]
    assert decoded.likes.num_rows == 1


def test_without_a_registry_the_setting_is_named() -> None:
    (rejection,) = decode([Message(avro(), 0, 0, START_MS, {})]).rejections
    assert rejection.errors == ("message: is framed with schema 7 of a registry: set SCHEMA_REGISTRY_URL",)


def test_a_registry_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.dependency.FIRST_DELAY_SECONDS", 0.001)
    registry = Registry(away=3)
    decoded, schemas = read([avro()], registry)
    assert decoded.likes.num_rows == 1
    assert schemas.dependency.error is None
    assert registry.asked[:4] == ["/schemas/ids/7"] * 4


ITEM = {"type": "record", "name": "Item", "fields": [{"name": "target_id", "type": "string"}]}
ITEM["fields"] += [{"name": "rank", "type": "int"}, {"name": "propensity", "type": ["null", "double"]}]  # type: ignore[operator]
SLATE: dict[str, Any] = {
    "type": "record",
    "name": "Slate",
    "fields": [
        {"name": "slate_id", "type": "string"},
        {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "actor_id", "type": "long"},
        {"name": "arm", "type": {"type": "enum", "name": "Arm", "symbols": ["none", "treated", "holdout"]}},
        {"name": "items", "type": {"type": "array", "items": ITEM}},
    ],
}


def test_slates_framed_by_a_registry_are_those_that_are_sent_plain() -> None:
    at, items = datetime.fromtimestamp(START_MS / 1000, UTC), [{"target_id": "t", "rank": 3, "propensity": 0.5}]
    row = {"slate_id": "s", "occurred_at": at, "actor_id": 7, "arm": "treated", "items": items}
    sink, plain = io.BytesIO(), json.dumps({**row, "occurred_at": START_MS}).encode()
    fastavro.schemaless_writer(sink, fastavro.parse_schema(SLATE), row)
    readers = {7: reader_of("AVRO", json.dumps(SLATE), []), 8: reader_of("JSON", "{}", [])}
    values = [plain, framed(7, sink.getvalue()), framed(8, plain), framed(7, sink.getvalue()[:-3]), framed(9, plain)]
    messages = [Message(value, 0, n, START_MS, {}) for n, value in enumerate(values)]
    decoded = slates.decode(messages, readers)
    first, *others = [
        {name: value for name, value in item.items() if name != "source_offset"} for item in decoded.items.to_pylist()
    ]
    assert others == [first] * 2
    assert [rejection.errors[0][:40] for rejection in decoded.rejections] == [
        "message: not what its Avro schema says: ",
        "message: is framed with schema 9 of a re",
    ]
    # And at ingest, which fetches schemas before.
    taken = SlateIntake(100, 1.0).take(messages[1:3], readers)
    assert (taken.rows.num_rows, taken.rejections) == (1, ())


@given(st.binary(max_size=60))
def test_whatever_follows_the_head_is_a_like_or_has_a_reason(content: bytes) -> None:
    readers = {7: reader_of("AVRO", json.dumps(RECORD), [json.dumps(ORIGIN)])}
    value = framed(7, content)
    assert schema_id(value) == 7
    decoded = decode([Message(value, 0, 0, START_MS, {})], readers)
    assert decoded.likes.num_rows + len(decoded.rejections) == 1
