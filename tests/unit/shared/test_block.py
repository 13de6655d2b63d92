"""Blocks against single messages: the same likes, the same rejections, in the same order, however messages are cut."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared import schemas
from shared.contract import block, decode
from shared.contract.decode import Message, one_by_one
from shared.contract.opening import FUTURE_TOLERANCE_MS
from shared.events import ACTIONS, CONTENT_ORIGINS, MANDATES, SIGNATURES, SURFACES, USER_PRESENT, rfc3339
from tests.likes import START_MS, like
from tests.mutations import ODD, mutated

LATER_MS = START_MS + 10**9


def messages_of(values: list[bytes | None], timestamp: int = LATER_MS) -> list[Message]:
    return [Message(value, 3, 70 + n, timestamp, {}) for n, value in enumerate(values)]


def assert_equal_to_one_by_one(messages: list[Message]) -> None:
    found, expected = decode.decode(messages), one_by_one(messages)
    assert found.likes.equals(expected.likes)
    assert found.likes.schema == schemas.LIKES
    assert found == expected


@pytest.fixture(autouse=True)
def single_messages_are_blocks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "LEAST_BLOCK", 1)


def event(rng: random.Random, number: int) -> dict[str, Any]:
    """A like with some of the optional fields, its times as a platform may write them."""
    found = like(number, f"u{rng.randrange(9)}", f"t{rng.randrange(9)}", number)
    optional = {
        "action": rng.choice(ACTIONS),
        "creator_id": rng.choice(["c1", "песня", "x" * 128, "é" * 127]),
        "actor_kind": rng.choice(["human", "agent", "unknown"]),
        "content_origin": rng.choice(CONTENT_ORIGINS),
        "surface": rng.choice(SURFACES),
        "rank": rng.choice([0, 1, 2**31 - 1]),
        "propensity": rng.choice([1, 0.25, 5e-324, 1.0]),
        "actor_locale": rng.choice(["en", "pt-BR", "zh_Hans_CN"]),
        "content_language": "de",
        "origin_hash": rng.choice(["", "h" * 64]),
        "slate_id": rng.choice(["s1", "é" * 64]),
        "topic": rng.choice(["jazz", "x" * 64]),
        "principal_id": rng.choice(["ann", "é" * 128]),
        "agent_key": rng.choice(["k", "é" * 256]),
        "signature": rng.choice(SIGNATURES),
        "mandate": rng.choice(MANDATES),
        "user_present": rng.choice(USER_PRESENT),
        "actor_created_at": rng.choice([START_MS - 10**9, rfc3339(START_MS - 10**9)]),
        "extra": rng.choice([True, 1.5, "text", -1]),
    }
    found |= {name: value for name, value in optional.items() if rng.random() < 0.3}
    moment = int(found["occurred_at"])
    return {**found, "occurred_at": rng.choice([moment, rfc3339(moment), rfc3339(moment // 1000 * 1000)])}


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([0.0, 0.02, 0.3]))
def test_likes_some_of_them_damaged(seed: int, count: int, damaged: float) -> None:
    rng, unlikely = random.Random(seed), mutated(seed, count)
    values: list[bytes | None] = []
    for number in range(count):
        made = event(rng, number)
        values.append(next(unlikely) if rng.random() < damaged else msgspec.json.encode(made))
    assert_equal_to_one_by_one(messages_of(values))


# What could be taken for something else where messages stand one after the other.
PIECES = st.sampled_from(
    [
        b"", b" ", b"\n", b"{", b"}", b"{}", b"}{", b"[", b"]", b",", b":", b'"', b"\\", b"\\u0000", b"\xef\xbb\xbf",
        b"\xff", b"null", b"NaN", b"-Infinity", b'"event_id":', b'"event_id":"e"', b'"actor_id":"a"',
        b'"target_id":"t"', b'"occurred_at":%d' % START_MS, b'"undoes":"x"', b'"__deleted":"true"', b'"rank":01',
        b'{"event_id":"e","actor_id":"a","target_id":"t","occurred_at":%d' % START_MS, b'"x":', b"1",
    ]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=7).map(b"".join), min_size=1, max_size=6))
@example([b'{"x":"', b'"}'])
@example([b'{"event_id":"e"}{"event_id":"f"}', b""])
@example([b'{"x":{}', b',"event_id":"e"}'])
@example([b"{}\n{}", b""])
@example([2 * msgspec.json.encode(like(1, "v", "t", 1)), b" "])
@example([msgspec.json.encode(like(1, "v", "t", 1)).replace(b",", b"\n,", 1)])
def test_no_message_changes_how_its_neighbours_are_read(values: list[bytes]) -> None:
    whole = msgspec.json.encode(like(0, "u", "t", 0))
    around = [whole, *(part for value in values for part in (value, whole))]
    assert_equal_to_one_by_one(messages_of(list(around)))


NAMES = (
    *("rank", "propensity", "action", "actor_kind", "actor_locale", "occurred_at", "actor_created_at", "event_id"),
    *("creator_id", "origin_hash", "undoes", "__deleted", "extra"),
    *("slate_id", "topic", "principal_id", "agent_key", "signature", "mandate", "user_present"),
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "odd",
    [
        *ODD,
        "[" * 90_000 + "]" * 90_000,
        '"en-"',
        '"en\\n"',
        "0",
        "1e-400",
        "2147483648",
        "27.0",
        '"buy"',
        '""',
        '"valid"',
        f'"{"é" * 65}"',
        f'"{"é" * 257}"',
    ],
)
def test_odd_values_in_every_kind_of_field(name: str, odd: str) -> None:
    fields = {key: msgspec.json.encode(value).decode() for key, value in like(0, "u", "t", 0).items()} | {name: odd}
    value = ("{" + ",".join(f'"{key}":{text}' for key, text in fields.items()) + "}").encode("utf-8", "surrogatepass")
    whole = msgspec.json.encode(like(1, "u", "t", 1))
    for values in ([value], [whole, value, whole]):
        assert_equal_to_one_by_one(messages_of(list(values)))


def test_likes_from_the_future_headers_and_tombstones_are_not_part_of_a_block() -> None:
    values = [msgspec.json.encode(like(n, "u", f"t{n}", n)) for n in range(8)]
    soon = messages_of(list(values), START_MS - FUTURE_TOLERANCE_MS + 3000)
    assert 0 < decode.decode(soon).likes.num_rows < 8
    assert_equal_to_one_by_one(soon)
    plain = messages_of([*values, None, b"x" * (decode.MOST_BYTES + 1)])
    assert_equal_to_one_by_one(plain)
    with_header = Message(values[0], 3, 99, LATER_MS, {"ce_id": b"1", "ce_specversion": b"1.0"})
    assert_equal_to_one_by_one([*plain, with_header])


def test_usual_likes_are_read_as_a_block() -> None:
    rng = random.Random(5)
    for written in (int, rfc3339):
        made = [event(rng, n) for n in range(200)]
        for one in made:
            one.pop("actor_created_at", None)
            one["occurred_at"] = written(START_MS + 1)
        values = [msgspec.json.encode(one) for one in made]
        columns, fits = block.read(values, np.full(len(values), LATER_MS))
        assert fits.all()
        assert len(columns) == len(schemas.LIKES) - len(schemas.PLACE)
        bounds = sorted({0, len(made), *(rng.randrange(len(made)) for _ in range(4))})
        for start, stop in pairwise(bounds):
            assert_equal_to_one_by_one(messages_of(list(values[start:stop])))


def odd_ones(made: dict[str, Any]) -> Iterator[bytes]:
    """What a usual stream has here and there, each of which no block takes."""
    for change in (
        {"undoes": "e1", "action": "unlike", "target_id": None},
        {"occurred_at": LATER_MS + 10**9},
        {"occurred_at": "2026-01-01 10:00"},
        {"actor_locale": "no tag!"},
        {"rank": -1},
        {"rank": 2**40},
        {"rank": "3"},
        {"propensity": 1.5},
        {"propensity": "high"},
        {"topic": 7},
        {"occurred_at": 1_767_225_600.5},
        {"event_id": ""},
        {"event_id": None},
        {"action": "love"},
        {"creator_id": "x" * 200},
    ):
        yield msgspec.json.encode(made | change)
    yield msgspec.json.encode({"specversion": "1.0", "id": "1", "source": "s", "type": "like", "data": made})
    yield b'{"event_id":'
    yield msgspec.json.encode(made).replace(b"}", b',"extra":"\xff"}')


def test_odd_messages_do_not_have_their_neighbours_read_singly(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(6)
    made = like(0, "u", "t", 0)
    usual = [msgspec.json.encode(like(n, "u", "t", n)) for n in range(200)]
    singly: list[bytes | None] = []

    def parse(value: bytes | None, *more: Any) -> Any:
        singly.append(value)
        return once(value, *more)

    once = decode.parse
    monkeypatch.setattr(decode, "LEAST_BLOCK", 2)
    for odd in odd_ones(made):
        values = list(usual)
        for _ in range(3):
            values.insert(rng.randrange(len(values)), odd)
        assert_equal_to_one_by_one(messages_of(list(values)))
        with monkeypatch.context() as patched:
            patched.setattr(decode, "parse", parse)
            decode.decode(messages_of(list(values)))
        assert singly == [odd] * 3
        singly.clear()


def test_times_in_two_forms_are_two_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "LEAST_BLOCK", 2)
    made = [like(n, "u", "t", n) for n in range(60)]
    for one in made[::3]:
        one["occurred_at"] = rfc3339(int(one["occurred_at"]))
    messages = messages_of([msgspec.json.encode(one) for one in made])
    assert_equal_to_one_by_one(messages)
    monkeypatch.setattr(decode, "parse", None)
    assert decode.decode(messages).likes.num_rows == 60
