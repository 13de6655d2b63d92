"""Loves read again and again: new ones, ones taken back, pages that shift, a server that asks for patience."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.connector.settings import ConnectorSettings
from services.connector.sources.listenbrainz import ListenBrainz, Love, Loves, _pause
from shared.frames import Output
from tests.listenbrainz import ListenBrainzServer

START = 1_767_225_600
NOW_MS = (START + 100_000) * 1000


def page(loves: dict[str, int]) -> list[Love]:
    return [Love(recording_mbid=recording, score=1, created=created) for recording, created in loves.items()]


def changes(outputs: Sequence[Output]) -> list[tuple[str, str, str]]:
    events = [json.loads(o.value) for o in outputs]
    return [(e.get("action", "like"), e["target_id"], e["event_id"].split()[-1]) for e in events]


def test_loves_are_likes_once_and_a_missing_one_is_an_unlike() -> None:
    found = Loves(remembered=10)
    assert changes(found.take("ann", page({"b": START + 2, "a": START + 1}), NOW_MS)) == [
        ("like", "a", str(START + 1)),
        ("like", "b", str(START + 2)),
    ]
    assert found.take("ann", page({"b": START + 2, "a": START + 1}), NOW_MS) == []
    other = Loves(remembered=10)
    other.restore(json.loads(json.dumps(found.facts())))
    # b was taken back, a given anew, c is new.
    outputs = other.take("ann", page({"c": START + 3, "a": START + 4}), NOW_MS)
    assert changes(outputs) == [
        ("unlike", "a", str(START + 1)),
        ("unlike", "b", str(START + 2)),
        ("like", "c", str(START + 3)),
        ("like", "a", str(START + 4)),
    ]
    first, last = json.loads(outputs[0].value), json.loads(outputs[-1].value)
    assert first["occurred_at"] == NOW_MS
    assert last == {
        "event_id": f"ann a {START + 4}",
        "occurred_at": (START + 4) * 1000,
        "actor_id": "ann",
        "target_id": "a",
    }
    assert other.take("bob", [], NOW_MS) == []


@given(
    remembered=st.integers(1, 6),
    looks=st.lists(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 30)), min_size=1, max_size=8),
)
def test_what_is_remembered_is_bounded_and_likes_less_unlikes_is_what_is_loved(
    remembered: int, looks: list[dict[str, int]]
) -> None:
    found = Loves(remembered)
    liked: dict[tuple[str, str], int] = {}
    for look in looks:
        loves = {recording: START + created for recording, created in look.items()}
        for action, recording, created in changes(found.take("ann", page(loves), NOW_MS)):
            liked[recording, created] = liked.get((recording, created), 0) + (1 if action == "like" else -1)
        known = found.facts()["users"]["ann"]
        assert len(known[1]) <= remembered
        # Nothing that is remembered is counted wrongly; no like is taken back that was not given.
        assert all(liked[recording, str(created)] >= 1 for recording, created in known[1].items())
        assert all(count >= 0 for count in liked.values())
        assert {r for r, at in loves.items() if at >= known[0]} == set(known[1])


@asynccontextmanager
async def reading(server: ListenBrainzServer, users: str, **more: Any) -> AsyncIterator[tuple[ListenBrainz, list[Any]]]:
    settings = {"listenbrainz_url": server.url, "listenbrainz_users": users, "listenbrainz_seconds": 1, **more}
    source, seen = ListenBrainz(ConnectorSettings.model_validate(settings)), []

    async def emit(outputs: Sequence[Output]) -> None:
        seen.extend(changes(outputs))

    working = asyncio.create_task(source.run(emit))
    try:
        yield source, seen
    finally:
        working.cancel()
        await asyncio.wait([working])


async def until(reached: Any) -> None:
    async with asyncio.timeout(20):
        while True:
            if reached():
                return
            await asyncio.sleep(0.01)


async def test_all_pages_are_read_and_then_only_what_is_remembered() -> None:
    loves = {f"r{n}": START + n for n in range(250)}
    with ListenBrainzServer({"ann/x ü": loves, "bob": {}}) as server:
        async with reading(server, "ann/x ü, bob", listenbrainz_remembered=20) as (source, seen):
            await until(lambda: source.cursor_ms() > 0)
            assert len(seen) == len(set(seen)) == 250
            assert [recording for _, recording, _ in seen] == list(loves)
            assert server.asked[0] == "/1/user/ann%2Fx%20%C3%BC/get-feedback?score=1&count=1000&offset=0"
            first = len(server.asked)
            loves["r250"] = START + 250
            del loves["r240"]
            await until(lambda: len(seen) == 252)
            assert seen[250:] == [("unlike", "r240", str(START + 240)), ("like", "r250", str(START + 250))]
            # One page of Ann's, one of Bob's.
            assert len(server.asked) - first <= 4
    assert source.dependency.error is None


async def test_a_love_taken_back_between_two_pages_hides_no_other() -> None:
    loves = {f"r{n}": START + n for n in range(250)}
    with ListenBrainzServer({"ann": loves}) as server:

        def between() -> None:
            if len(server.asked) == 2:
                for n in range(240, 245):
                    del loves[f"r{n}"]

        server.between = between
        async with reading(server, "ann") as (source, seen):
            await until(lambda: source.cursor_ms() > 0)
    assert {recording for action, recording, _ in seen if action == "like"} == set(loves)
    assert not [change for change in seen if change[0] == "unlike"]


async def test_a_server_that_asks_for_patience_gets_it() -> None:
    with ListenBrainzServer({"ann": {"r": START}}) as server:
        server.first = [(429, {"X-RateLimit-Reset-In": "1"}), (503, {"Retry-After": "1"}), (500, {})]
        began = time.monotonic()
        async with reading(server, "ann") as (source, seen):
            await until(lambda: "429" in str(source.dependency.error))
            await until(lambda: "503" in str(source.dependency.error))
            await until(lambda: bool(seen))
            assert source.dependency.error is None
    assert time.monotonic() - began > 2


async def test_a_user_that_is_not_known_stops_nobody_and_takes_nothing_back() -> None:
    with ListenBrainzServer({"ann": {"r": START}, "bob": {"s": START}}) as server:
        async with reading(server, "ann,bob") as (_, seen):
            await until(lambda: len(seen) == 2)
            gone = server.loves.pop("ann")
            server.loves["bob"]["t"] = START + 1
            await until(lambda: len(seen) == 3)
            server.loves["ann"] = {**gone, "u": START + 2}
            await until(lambda: len(seen) == 4)
    assert [action for action, _, _ in seen] == ["like"] * 4


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (200, {"X-RateLimit-Remaining": "3", "X-RateLimit-Reset-In": "9"}, 0),
        (200, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-In": "9"}, 9),
        (429, {"X-RateLimit-Reset-In": "4"}, 4),
        (429, {}, 1),
        (503, {"Retry-After": "7"}, 7),
        (503, {"Retry-After": "Thu, 01 Jan 2026 00:00:20 GMT"}, 20),
        (503, {"Retry-After": "Wed, 31 Dec 2025 00:00:20 GMT"}, 0),
        (503, {"Retry-After": "soon"}, 1),
        (503, {"Retry-After": "1e9"}, 300),
        (503, {"Retry-After": "-5"}, 0),
        (500, {}, 0),
    ],
)
def test_how_long_a_server_is_left_alone(status: int, headers: dict[str, str], seconds: float) -> None:
    assert _pause(httpx.Response(status, headers=headers), START) == seconds
