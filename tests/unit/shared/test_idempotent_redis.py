"""On a Valkey: what a script does with commands cannot be seen without one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from shared.idempotent_redis import IdempotentWriter
from truelike.cli import embedded

ECHO = "procedures['echo'] = function(key, ...) redis.call('RPUSH', key, ...) end"


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Redis]:
    server = embedded.Redis(tmp_path)
    server.start()
    client = Redis.from_url(server.url)
    yield client
    await client.aclose()
    server.stop()


async def test_words_arrive_as_they_are(redis: Redis) -> None:
    writer = IdempotentWriter(redis, "test", "topic", ECHO)
    words = [
        "",
        "word",
        "ö\0\n",
        "x" * 40,
        "x" * 70_000,
        b"",
        b"\xff\x00\xdb",
        b"\x80" * 300,
        0,
        -1,
        2**53 + 1,
        1e300,
        0.1,
    ]
    commands = [("RPUSH", "direct", *words), ("echo", "echoed", *words)]
    assert await writer.apply(0, 5, commands) == 5
    expected = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    assert await redis.lrange("direct", 0, -1) == expected
    assert await redis.lrange("echoed", 0, -1) == expected


async def test_a_repetition_and_what_does_not_follow_change_nothing(redis: Redis) -> None:
    writer = IdempotentWriter(redis, "test", "topic")
    count = [("INCRBY", "count", 1)]
    assert await writer.apply(0, 5, count) == 5
    assert await writer.apply(0, 5, count) == 5
    assert await writer.apply(0, 4, count) == 5
    assert await writer.apply(0, 9, count, after=6) == 5
    assert await redis.get("count") == b"1"
    assert await writer.apply(0, 9, count, after=5) == 9
    assert await writer.apply(1, 0, count, after=-1) == 0
    assert await redis.get("count") == b"3"
    assert [await writer.newest(p) for p in range(3)] == [9, 0, -1]


async def test_no_commands_move_the_offset(redis: Redis) -> None:
    writer = IdempotentWriter(redis, "test", "topic")
    assert await writer.apply(0, 7, []) == 7
    assert await writer.newest(0) == 7


async def test_what_redis_refuses_is_an_error_and_leaves_the_offset(redis: Redis) -> None:
    writer = IdempotentWriter(redis, "test", "topic")
    with pytest.raises(ResponseError):
        await writer.apply(0, 5, [("NOTACOMMAND", "key")])
    assert await writer.newest(0) == -1
