"""The console's views in a real Redis: repetitions, two consoles, and a Redis that is emptied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from aiokafka import TopicPartition

from services.console.app import ConsoleSettings
from services.console.keeper import ViewsKeeper
from shared import redis_keys
from shared.frames import Frame, Lineage, to_output
from shared.schemas import TRUSTED_LIKES as SCHEMA
from shared.topics import CAMPAIGNS, TRUSTED_LIKES, VERDICTS, WINDOW_SUMMARIES

pytestmark = pytest.mark.integration

PLACE = TopicPartition(TRUSTED_LIKES, 0)


@dataclass
class Record:
    offset: int
    value: bytes | None
    headers: Any
    key: bytes | None = None


class LogConsumer:
    """Reads lists as a consumer reads partitions."""

    def __init__(self, logs: dict[TopicPartition, list[Record]]) -> None:
        self.logs = logs
        self.positions = dict.fromkeys(logs, 0)

    def seek(self, place: TopicPartition, offset: int) -> None:
        self.positions[place] = offset

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        found = {}
        for place, log in self.logs.items():
            if records := log[self.positions[place] : self.positions[place] + 2]:
                found[place] = records
                self.positions[place] += len(records)
        return found


def record(offset: int, lineage_offset: int, likes: int) -> Record:
    rows = [
        {"event_id": f"{lineage_offset}-{n}", "actor_id": "ann", "target_id": "song", "label": 0, "revision": 0}
        for n in range(likes)
    ]
    frame = Frame("trusted-likes", pa.RecordBatch.from_pylist(rows, SCHEMA), Lineage("v", 0, lineage_offset, 0))
    output = to_output(frame, TRUSTED_LIKES, 0)
    return Record(offset, output.value, output.headers)


async def keeper(redis: Any, log: list[Record], verdicts: list[Record] | None = None) -> ViewsKeeper:
    made = ViewsKeeper(ConsoleSettings.model_validate({"partitions": 1}), redis)
    others: dict[TopicPartition, list[Record]] = {TopicPartition(t, 0): [] for t in (CAMPAIGNS, WINDOW_SUMMARIES)}
    logs = {PLACE: log, TopicPartition(VERDICTS, 0): verdicts or [], **others}
    made.consumer = LogConsumer(logs)  # type: ignore[assignment]
    for place in logs:
        await made._go_on_after(place, await made._newest(place))
    return made


async def counted(redis: Any) -> int:
    (people, of_target) = (
        await redis.hget(redis_keys.LABEL_COUNTS, "human"),
        await redis.hget(redis_keys.target("song"), "human"),
    )
    assert people == of_target
    return int(people or 0)


# Frames with 1, 2, 3, 4 likes; after a crash the detector has sent the second and third again.
LOG = [record(n, at, at + 1) for n, at in enumerate((0, 1, 2, 1, 2, 3))]


async def test_a_frame_that_was_sent_again_counts_once(redis: Any) -> None:
    one = await keeper(redis, LOG)
    for _ in range(4):
        await one.step()
    assert await counted(redis) == 10
    # Nor does it after a restart between the two.
    await redis.flushall()
    one = await keeper(redis, LOG)
    await one.step()
    again = await keeper(redis, LOG)
    for _ in range(4):
        await again.step()
    assert await counted(redis) == 10


async def test_two_consoles_count_each_like_once(redis: Any) -> None:
    one, two = await keeper(redis, LOG), await keeper(redis, LOG)
    for _ in range(8):
        await one.step()
        await two.step()
    assert await counted(redis) == 10


async def test_an_emptied_redis_is_filled_again_without_a_new_message(redis: Any) -> None:
    one = await keeper(redis, LOG)
    for _ in range(4):
        await one.step()
    await redis.flushall()
    one._looked_at -= 10
    for _ in range(5):
        await one.step()
    assert await counted(redis) == 10


async def test_a_verdict_that_was_sent_again_is_kept_once(redis: Any) -> None:
    said = [
        msgspec.json.encode({"actor_id": "ann", "verdict_id": "ann@1", "revision": revision})
        for revision in (1, 2, 1, 2)
    ]
    one = await keeper(redis, [], [Record(n, value, []) for n, value in enumerate(said)])
    for _ in range(4):
        await one.step()
    kept = [msgspec.json.decode(v)["revision"] for v in await redis.lrange(redis_keys.verdict("ann"), 0, -1)]
    assert kept == [2, 1]


async def test_a_tombstone_takes_a_campaign_away(redis: Any) -> None:
    campaign = {"campaign_id": "c", "kind": "flood", "actors": ["ann"], "targets": [], "last_at": 1}
    said = msgspec.json.encode({**campaign, "merged_into": None, "expired": False})
    one = await keeper(redis, [])
    assert isinstance(one.consumer, LogConsumer)
    log = one.consumer.logs[TopicPartition(CAMPAIGNS, 0)]
    log.append(Record(0, said, [], b"c"))
    await one.step()
    assert await redis.hget(redis_keys.campaign("c"), "body") == said
    log.append(Record(1, None, [], b"c"))
    await one.step()
    assert not await redis.exists(redis_keys.campaign("c"), redis_keys.CAMPAIGNS, redis_keys.campaigns_of_actor("ann"))
