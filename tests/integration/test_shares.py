"""A predictor that is paused, or whose Redis is emptied, in the worst moment; in a real Redis."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from services.predictor.shares import Shares
from services.predictor.task import PredictorTask
from shared import redis_connection, redis_keys
from shared.dependency import Dependency
from shared.frames import Frame
from shared.schemas import TRUSTED_LIKES as SCHEMA
from shared.settings import ServiceSettings
from shared.topics import TRUSTED_LIKES
from tests.likes import START_MS
from truelike.cli.embedded import Redis

pytestmark = pytest.mark.integration


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[Any]:
    server = Redis(tmp_path)
    server.start()
    client: Any = redis_connection.connect(ServiceSettings.model_validate({"redis_url": server.url}))
    yield client
    await client.aclose()
    server.stop()


class Topic:
    """preferences.v1, and what happens while somebody sends to it."""

    def __init__(self) -> None:
        self.records: list[tuple[str, dict[str, Any]]] = []
        self.meanwhile: Any = None

    async def send(self, keys: Sequence[bytes], values: Sequence[bytes], _: int, __: Sequence[int]) -> None:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        self.records += [(k.decode(), json.loads(v)) for k, v in zip(keys, values, strict=True)]

    async def flush(self) -> None: ...

    def latest(self, user: str) -> int:
        return int([record["source_offset"] for key, record in self.records if key == user][-1])


async def written(redis: Any, user: str) -> int:
    return int(json.loads(await redis.get(redis_keys.predictions(user)))["source_offset"])


def frame(number: int, actor: str = "ann") -> Frame:
    rows = [
        {
            "event_id": f"e{number}-{target}",
            "occurred_at": START_MS + number,
            "sent_at": START_MS + number,
            "actor_id": actor,
            "target_id": target,
            "action": 0,
            "surface": 0,
            "human_probability": 0.95,
            "label": 0,
            "revision": 0,
        }
        for target in (f"a{number}", f"b{number}")
    ]
    return Frame("trusted-likes", pa.RecordBatch.from_pylist(rows, SCHEMA))


async def worker(redis: Any, topic: Topic) -> tuple[Shares, PredictorTask]:
    settings = ServiceSettings.model_validate({"partitions": 1})
    shares = Shares(settings, redis, 1000, Dependency("redis").when_available)
    shares.held, shares.preferences = {0}, topic  # type: ignore[assignment]
    return shares, PredictorTask(1)


async def test_an_old_record_behind_a_newer_one_is_made_good(redis: Any) -> None:
    topic = Topic()
    (paused, old), (other, new) = await worker(redis, topic), await worker(redis, topic)
    old.process(frame(1), 5)
    await paused.write(old, 5)

    async def takes_over() -> None:
        """What happens while the first worker stands still, just before it sends."""
        new.process(frame(1), 5)
        new.process(frame(2), 9)
        await other.write(new, 9)
        await other.flush_preferences(new, 9)

    topic.meanwhile = takes_over
    await paused.flush_preferences(old, 5)
    assert topic.latest("ann") == 5
    # The worker that holds the share notices at its next frame or look, and writes its users again.
    await other.write(new, 9)
    await other.flush_preferences(new, 9)
    assert topic.latest("ann") == 9
    marks = [int(await redis.get(redis_keys.source(r, TRUSTED_LIKES, 0))) for r in ("predictions", "preferences")]
    assert marks == [9, 9]
    assert await written(redis, "ann") == 9


@pytest.mark.parametrize("first", [True, False])
async def test_a_redis_emptied_while_it_is_written_is_noticed(redis: Any, first: bool) -> None:
    """The emptying comes between the look at the marks and the writing; a share written for the first time or not."""
    shares, task = await worker(redis, Topic())
    task.process(frame(1), 5)
    if not first:
        await shares.write(task, 5)
        await shares.settle()
        task.process(frame(2, actor="bob"), 6)
    await shares.write(task, 6)
    await redis.flushall()
    await shares.settle()
    await shares.write(task, 6)
    await shares.settle()
    assert await written(redis, "ann") == 6
    assert int(await redis.get(redis_keys.source("predictions", TRUSTED_LIKES, 0))) == 6
