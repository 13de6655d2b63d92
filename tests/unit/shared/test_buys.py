"""What a like says of its slate and a buy of its agent comes through every way in; what was written before is read."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import fastavro
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.detector.retained import RetainedLikes
from shared import frames, schemas
from shared.bodies import split_body
from shared.checkpoints import pack_blobs
from shared.contract import decode
from shared.contract.confluent import reader_of
from shared.contract.decode import FastLike, Message, parse, to_message
from shared.contract.like_rows import to_messages
from shared.contract.opening import DoesNotFit
from shared.events import Like
from shared.hashing import hash_strings
from shared.reorder_buffer import ReorderBuffer
from shared.schemas import FORECASTS, JUDGED_LIKES, LIKES, TRUSTED_LIKES
from tests.files import read
from tests.likes import START_MS, like
from tests.trusted_likes import made

SAID = {
    "slate_id": "slate-1",
    "topic": "jazz",
    "principal_id": "ann",
    "agent_key": "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U",
    "signature": "valid",
    "mandate": "cart",
    "user_present": "yes",
}
CODES = {"signature": 2, "mandate": 2, "user_present": 1}
BUY = like(1, "shopper", "lamp", action="buy", actor_kind="agent", **SAID)
NAMES = {"slate_id", "topic", "principal_id", "agent_key", "signature", "mandate", "user_present"}


def messages(*values: bytes, headers: dict[str, bytes] | None = None) -> list[Message]:
    return [Message(value, 0, n, START_MS + 10**6, headers or {}) for n, value in enumerate(values)]


def avro() -> tuple[bytes, Any]:
    kinds = {"signature": ["none", "invalid", "valid"], "mandate": ["none", "standing", "cart"]}
    names: list[dict[str, Any]] = [
        {"name": name, "type": {"type": "enum", "name": name, "symbols": kinds[name]} if name in kinds else "string"}
        for name in BUY
        if name != "occurred_at"
    ]
    schema = {"type": "record", "name": "Buy", "fields": [*names, {"name": "occurred_at", "type": "long"}]}
    sink = io.BytesIO()
    sink.write(b"\x00\x00\x00\x00\x07")
    fastavro.schemaless_writer(sink, fastavro.parse_schema(schema), BUY)
    return sink.getvalue(), reader_of("AVRO", json.dumps(schema), [])


def by_kafka(_: Path) -> Any:
    return decode.decode(messages(json.dumps(BUY).encode())).likes


def by_block(_: Path) -> Any:
    values = [json.dumps(like(n)).encode() for n in range(2, 100)]
    return decode.decode(messages(json.dumps(BUY).encode(), *values)).likes


def by_http(_: Path) -> Any:
    bodies = split_body(json.dumps([BUY]).encode(), {"content-type": "application/json"})
    return decode.decode(messages(*(body.value for body in bodies))).likes


def by_cloud_event(_: Path) -> Any:
    event = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "product.bought", "data": BUY}
    return decode.decode(messages(json.dumps(event).encode())).likes


def by_registry(_: Path) -> Any:
    value, reader = avro()
    framed_json = b"\x00\x00\x00\x00\x08" + json.dumps({**BUY, "event_id": "e2"}).encode()
    likes = decode.decode(messages(value, framed_json), {7: reader, 8: reader_of("JSON", "{}", [])}).likes
    assert likes.num_rows == 2
    assert likes.slice(1).to_pylist()[0]["agent_key"] == SAID["agent_key"]
    return likes


def by_json_lines(folder: Path) -> Any:
    (folder / "buys.jsonl").write_text(json.dumps(BUY) + "\n" + json.dumps(like(2, at_s=5)) + "\n")
    return read(folder / "buys.jsonl")[1]


def by_csv(folder: Path) -> Any:
    (folder / "buys.csv").write_text("\n".join([",".join(BUY), ",".join(map(str, BUY.values()))]) + "\n")
    return read(folder / "buys.csv")[1]


def by_parquet(folder: Path) -> Any:
    pq.write_table(pa.Table.from_pylist([BUY]), folder / "buys.parquet")
    return read(folder / "buys.parquet")[1]


def by_messages_of_frames(_: Path) -> Any:
    return decode.decode(messages(*to_messages(by_kafka(_)))).likes


def by_the_doors_of_services(_: Path) -> Any:
    """What HTTP and connectors send on, of either form that a like has."""
    plain, odd = (parse(json.dumps({**BUY, **more}).encode(), {}, START_MS) for more in ({}, {"rank": 3.0}))
    assert (type(plain), type(odd)) == (FastLike, Like)
    first, second = decode.decode(messages(to_message(plain), to_message(odd))).likes.to_pylist()
    assert {name: second[name] for name in NAMES} == {name: first[name] for name in NAMES}
    return pa.RecordBatch.from_pylist([first], LIKES)


WAYS = (
    *(by_kafka, by_block, by_http, by_cloud_event, by_registry, by_json_lines, by_csv, by_parquet),
    *(by_messages_of_frames, by_the_doors_of_services),
)


@pytest.mark.parametrize("way", WAYS)
def test_a_buy_comes_through_every_way_in(way: Any, tmp_path: Path) -> None:
    row = way(tmp_path).to_pylist()[0]
    assert {name: row[name] for name in NAMES} == SAID | CODES
    assert (row["actor_id"], row["target_id"], row["action"], row["actor_kind"]) == ("shopper", "lamp", 3, 2)


@pytest.mark.parametrize("way", [lambda e: decode.decode(messages(json.dumps(e).encode())), None])
def test_a_like_says_none_of_it(way: Any) -> None:
    likes = (
        way(like(1)).likes if way else decode.decode(messages(*[json.dumps(like(n)).encode() for n in range(99)])).likes
    )
    nothing = {name: 0 if name in CODES else None for name in NAMES}
    assert all({name: row[name] for name in NAMES} == nothing for row in likes.to_pylist())


@pytest.mark.parametrize("action", ["like", "unlike", "share"])
def test_no_like_is_lost_over_what_only_a_buy_should_say(action: str) -> None:
    found = parse(json.dumps({**BUY, "action": action}).encode(), {}, START_MS)
    assert (found.action, found.mandate, found.principal_id) == (action, "cart", "ann")


def test_numbers_stand_for_their_digits() -> None:
    given = {"slate_id": 7, "topic": 8.0, "principal_id": 9, "agent_key": 10}
    found = parse(json.dumps(like(1, **given)).encode(), {}, START_MS)
    assert (found.slate_id, found.topic, found.principal_id, found.agent_key) == ("7", "8", "9", "10")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *(("slate_id", "s" * 65), ("slate_id", ""), ("topic", "t" * 65), ("agent_key", "k" * 257), ("agent_key", "")),
        *(("principal_id", ""), ("signature", "yes"), ("mandate", "Cart"), ("user_present", True), ("topic", 1.5)),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(name: str, wrong: Any) -> None:
    with pytest.raises(DoesNotFit, match=f"^{name}: "):
        parse(json.dumps({**BUY, name: wrong}).encode(), {}, START_MS)


# What came last of forecasts' columns.
OF_FORECASTS = ("p_any", "p_new", "is_new", "content_origin", "language", "p_with", "p_without")


def as_before(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch as a build wrote it that did not know the columns of buys."""
    gone = NAMES | ({"actor_kind", "slate", *OF_FORECASTS} if batch.schema.equals(FORECASTS) else set())
    return batch.drop_columns([name for name in batch.schema.names if name in gone])


@pytest.mark.parametrize("schema", [LIKES, JUDGED_LIKES, TRUSTED_LIKES, FORECASTS])
def test_frames_of_before_are_read(schema: pa.Schema) -> None:
    batch = pa.RecordBatch.from_pylist(
        [{field.name: "x" if field.type == pa.string() else None for field in schema}] * 3, schema
    )
    former = as_before(batch)
    assert former.num_columns == len(schema) - (15 if schema is FORECASTS else 7)
    found = frames.decode(frames.encode(former))
    assert found.schema == schema
    assert found.select(former.schema.names).equals(former)
    told = found.select([name for name in schema.names if name not in former.schema.names]).to_pylist()
    zero = {name for name in told[0] if name in schemas.CODES or schema.field(name).type == pa.uint64()}
    assert {tuple(row.values()) for row in told} == {tuple(0 if n in zero else None for n in told[0])}
    # And stand beside those of today.
    assert frames.join([found, batch], schema).num_rows == 6


@pytest.mark.parametrize("gone", [OF_FORECASTS, ("slate", "topic", *OF_FORECASTS)])
def test_forecasts_of_before_are_read(gone: tuple[str, ...]) -> None:
    said = {"slate": 7, "topic": 8, "p_any": 0.5, "is_new": True, "content_origin": 1, "language": "cy", "p_with": 0.25}
    rows = [{"event_id": f"e{n}", "mandate": n, **said} for n in range(3)]
    batch = pa.RecordBatch.from_pylist(rows, FORECASTS)
    found = frames.decode(frames.encode(batch.drop_columns(gone)))
    assert found.schema == FORECASTS
    unsaid = {name: 0 if name in ("slate", "topic", "content_origin") else None for name in said if name in gone}
    assert found.select(["event_id", "mandate", *said]).to_pylist() == [{**row, **unsaid} for row in rows]


def test_frames_of_today_are_left_as_they_are() -> None:
    for schema in (LIKES, schemas.KEYED_LIKES, schemas.EXPOSED_ITEMS, schemas.CHOICES):
        batch = pa.RecordBatch.from_pylist([{}], schema)
        assert frames.decode(frames.encode(batch)).equals(batch)


def test_what_waits_in_a_snapshot_of_before_is_read() -> None:
    likes = decode.decode(messages(*(msgspec.json.encode(like(n, f"u{n}", "t", n)) for n in range(5)))).likes
    buffer = ReorderBuffer(LIKES, ("occurred_at",))
    buffer.add(as_before(likes))
    restored = ReorderBuffer(LIKES, ("occurred_at",))
    restored.restore("waiting", buffer.snapshot("waiting"))
    restored.add(likes)
    assert restored.take(START_MS + 10**6).num_rows == 10


def test_what_the_detector_keeps_in_a_snapshot_of_before_is_read() -> None:
    batch = pa.RecordBatch.from_pylist(made(6), TRUSTED_LIKES)
    kept = RetainedLikes(100)
    stamps, agent = pa.array([0] * 6, pa.int16()).to_numpy(), pa.array([0] * 6, pa.int8()).to_numpy()
    kept.add(batch, stamps, agent)
    restored = RetainedLikes(100)
    restored.restore({**kept.snapshot(), **pack_blobs("retained", [frames.encode(as_before(batch))])})
    restored.add(batch, stamps, agent)
    numbers, _ = restored.of(hash_strings(batch.column("actor_id").unique()))
    numbers.sort()
    assert restored.content(numbers).schema == TRUSTED_LIKES
    assert restored.content(numbers).num_rows == 12
    assert restored.forget(hash_strings(batch.column("actor_id").slice(0, 1))) > 0
