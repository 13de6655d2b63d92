"""Whom a console offers for review, from a real Redis: drawn by hash, whatever the verdict."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pyarrow as pa
import pytest

from services.console import reviewable, views
from services.console.api import build_app
from services.console.keeper import PROCEDURES
from shared.auth import AuthMiddleware
from shared.forgetting import Request, to_message
from shared.frames import encode
from shared.hashing import hash_strings
from shared.health import Health
from shared.idempotent_redis import IdempotentWriter
from shared.topics import TRUSTED_LIKES
from tests.asgi import ask
from tests.unit.charts.rows import batch, row

pytestmark = pytest.mark.integration

BEGIN_MS = 1500 * reviewable.PERIOD_MS


async def view(redis: Any, value: bytes) -> None:
    writer = IdempotentWriter(redis, "console", TRUSTED_LIKES, PROCEDURES[TRUSTED_LIKES])
    offset = await writer.newest(0) + 1
    assert await writer.apply(0, offset, views.of_trusted_likes(value)) == offset


async def likes(redis: Any, rows: list[dict[str, Any]]) -> None:
    await view(redis, encode(batch(rows)))


async def sample(redis: Any, query: str) -> tuple[int, dict[str, Any]]:
    answer = await ask(
        AuthMiddleware(build_app(redis, Health("test", dict, dict, list)), None), f"/v1/reviews/sample?{query}"
    )
    return answer.status, json.loads(answer.body)


async def test_a_sample_is_drawn_by_the_seed_alone_and_says_no_verdict(redis: Any) -> None:
    assert (await sample(redis, "seed=june"))[0] == 404
    assert (await sample(redis, "n=5"))[0] == 422
    assert (await sample(redis, "seed=june&n=1001"))[0] == 422
    rows = [row(n, n, 1, occurred_at=BEGIN_MS, label="bot" if n % 3 == 0 else "human") for n in range(90)]
    others = [
        row(200, 200, 1, occurred_at=BEGIN_MS, label="agent"),
        row(201, 201, 1, occurred_at=BEGIN_MS, action="unlike"),
        row(202, 202, 1, occurred_at=BEGIN_MS, previous_label="human"),
    ]
    await likes(redis, rows + others)
    status, found = await sample(redis, "seed=june&n=30")
    assert status == 200
    digests = {f"a{n}": hashlib.sha256(f"june\0a{n}".encode()).digest() for n in range(90)}
    assert found == {
        "seed": "june",
        "since": "2027-07-01T00:00:00Z",
        "drawn_from": 90,
        "all_seen": True,
        "actors": sorted(digests, key=lambda actor: digests[actor])[:30],
    }
    await likes(
        redis, [row(n, n, 1, occurred_at=BEGIN_MS, label="human", previous_label="bot") for n in range(0, 90, 3)]
    )
    assert (await sample(redis, "seed=june&n=30"))[1] == found
    assert (await sample(redis, "seed=july&n=30"))[1]["actors"] != found["actors"]


async def test_of_more_than_there_is_room_for_it_is_of_the_smallest_hashes(redis: Any) -> None:
    period, more = reviewable.PERIOD_MS, reviewable.MOST + 2000
    before = [row(n, n, 1, occurred_at=BEGIN_MS) for n in range(more)]
    after = [row(n, n, 1, occurred_at=BEGIN_MS + period) for n in range(more - 500, more + 500)]
    for rows in (before[:5000], after[:10], before[5000:], after[10:]):
        await likes(redis, rows)
    keys = dict(
        zip(
            (f"a{n}" for n in range(more + 500)),
            hash_strings(pa.array([f"a{n}" for n in range(more + 500)])).tolist(),
            strict=True,
        )
    )
    highest = sorted(keys[f"a{n}"] for n in range(more))[reviewable.MOST - 1]
    expected = {actor for actor, key in keys.items() if key <= highest}
    _, found = await sample(redis, "seed=x&n=1000")
    assert (found["drawn_from"], found["all_seen"]) == (len(expected), False)
    assert set(found["actors"]) <= expected
    # Two periods later nobody of these was seen lately; what comes late brings none back.
    await likes(
        redis, [row(1, 1, 1, occurred_at=BEGIN_MS + 2 * period), row(2, 2, 1, occurred_at=BEGIN_MS + 3 * period)]
    )
    await likes(redis, [row(3, 3, 1, occurred_at=BEGIN_MS)])
    _, found = await sample(redis, "seed=x")
    assert sorted(found["actors"]) == ["a1", "a2"]


async def test_who_is_forgotten_is_drawn_no_more(redis: Any) -> None:
    await likes(redis, [row(n, n, 1, occurred_at=BEGIN_MS + n % 2 * reviewable.PERIOD_MS) for n in range(4)])
    await view(redis, to_message(Request("r", ["a1", "a2", "nobody"], BEGIN_MS)).value)
    assert sorted((await sample(redis, "seed=x"))[1]["actors"]) == ["a0", "a3"]
