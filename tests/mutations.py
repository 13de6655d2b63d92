"""Messages as nobody should send them, seeded: valid likes that were damaged, and things that never were likes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from shared.contract.times import LATEST_MS
from tests.likes import START_MS, like

FIELDS = (
    "event_id",
    "occurred_at",
    "action",
    "actor_id",
    "target_id",
    "creator_id",
    "actor_kind",
    "actor_created_at",
    "content_origin",
    "surface",
    "rank",
    "propensity",
    "actor_locale",
    "content_language",
    "origin_hash",
    "slate_id",
    "topic",
    "principal_id",
    "agent_key",
    "signature",
    "mandate",
    "user_present",
    "specversion",
    "data",
    "@context",
    "type",
)
# JSON texts, some of which only lenient parsers take.
ODD = (
    "null",
    "true",
    "0",
    "-1",
    "-0.0",
    "1e999",
    "-1e-999",
    "NaN",
    "Infinity",
    "9" * 400,
    "0.1e",
    "[]",
    "{}",
    "[[]]",
    '""',
    '"\\u0000"',
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"' + "x" * 129 + '"',
    '"' + "é" * 128 + '"',
    '"' + "\U0001f496" * 64 + '"',
    '"1970-01-01T00:00:00Z"',
    '"0001-01-01T00:00:00+23:59"',
    '"9999-12-31T23:59:59-23:59"',
    '"2026-01-01"',
    '"2026-01-01T00:00:00"',
    str(-START_MS),
    str(LATEST_MS),
    str(LATEST_MS - 1),
    str(2**63),
    str(2**64),
    "1.0",
    '"v99"',
    '"https://www.w3.org/ns/activitystreams"',
    '{"type": "Like", "object": {"id": 7}}',
    '"1.0"',
)


def _fields(event: dict[str, Any]) -> list[tuple[str, str]]:
    return [(f'"{name}"', msgspec.json.encode(value).decode()) for name, value in event.items()]


def _joined(fields: list[tuple[str, str]]) -> bytes:
    return ("{" + ",".join(f"{name}:{value}" for name, value in fields) + "}").encode("utf-8", "surrogatepass")


def _truncate(r: random.Random, event: dict[str, Any]) -> bytes:
    whole = msgspec.json.encode(event)
    return whole[: r.randrange(len(whole))]


def _odd_value(r: random.Random, event: dict[str, Any]) -> bytes:
    fields = dict(_fields(event))
    fields[f'"{r.choice(FIELDS)}"'] = r.choice(ODD)
    return _joined(list(fields.items()))


def _duplicate_key(r: random.Random, event: dict[str, Any]) -> bytes:
    fields = _fields(event)
    return _joined([*fields, (r.choice(fields)[0], r.choice(ODD))])


def _missing_key(r: random.Random, event: dict[str, Any]) -> bytes:
    fields = _fields(event)
    fields.pop(r.randrange(len(fields)))
    return _joined(fields)


def _flipped(r: random.Random, event: dict[str, Any]) -> bytes:
    whole = bytearray(msgspec.json.encode(event))
    for _ in range(r.randint(1, 4)):
        whole[r.randrange(len(whole))] = r.randrange(256)
    return bytes(whole)


def _deep(r: random.Random, event: dict[str, Any]) -> bytes:
    depth = r.choice((50, 500, 5000, 50_000))
    inside = b"[" * depth + b"]" * depth
    if r.random() < 0.5:
        return inside
    return msgspec.json.encode(event)[:-1] + b',"more":' + inside + b"}"


def _noise(r: random.Random, _: dict[str, Any]) -> bytes:
    return r.randbytes(r.randrange(200))


def _other_json(r: random.Random, _: dict[str, Any]) -> bytes:
    return r.choice(ODD).encode("utf-8", "surrogatepass")


def _extra_fields(r: random.Random, event: dict[str, Any]) -> bytes:
    return _joined([*_fields(event), *((f'"extra{n}"', r.choice(ODD)) for n in range(r.randint(1, 30)))])


def _large(r: random.Random, event: dict[str, Any]) -> bytes:
    return msgspec.json.encode({**event, "padding": "x" * r.choice((10_000, 300_000))})


KINDS: tuple[tuple[int, Callable[[random.Random, dict[str, Any]], bytes]], ...] = (
    (12, _truncate),
    (30, _odd_value),
    (12, _duplicate_key),
    (8, _missing_key),
    (16, _flipped),
    (1, _deep),
    (6, _noise),
    (6, _other_json),
    (6, _extra_fields),
)


def mutated(seed: int, count: int) -> Iterator[bytes]:
    """About one in ten fits nevertheless."""
    r = random.Random(seed)
    kinds = [kind for weight, kind in KINDS for _ in range(weight)]
    for number in range(count):
        event = like(number, f"person{r.randrange(300)}", f"t{r.randrange(100)}", r.uniform(0, 3600), rank=3)
        event["event_id"] = f"mutated-{seed}-{number}"
        yield _large(r, event) if number % 997 == 0 else r.choice(kinds)(r, event)
