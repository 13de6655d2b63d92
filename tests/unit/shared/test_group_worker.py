"""A member of a group whose partitions go to another while it saves them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from services.ingest.app import IngestWorker
from services.ingest.settings import IngestSettings
from shared.topics import EXPOSURES, LIKES
from tests.likes import START_MS, like


@pytest.mark.parametrize("error", [CommitFailedError, IllegalStateError])
async def test_a_partition_given_away_while_it_was_saved_ends_nobody(tmp_path: Path, error: type[Exception]) -> None:
    asked: list[Any] = []

    async def commit(offsets: Any) -> None:
        asked.append(offsets)
        raise error

    worker = IngestWorker(IngestSettings(checkpoint_dir=tmp_path))
    worker.consumer = SimpleNamespace(commit=commit)  # type: ignore[assignment]
    runner = worker.runners[LIKES]
    await runner.assign(0)
    value = msgspec.json.encode({**like(1), "occurred_at": "soon"})
    record = SimpleNamespace(value=value, partition=0, offset=0, timestamp=START_MS, headers=(), key=None)
    sent: list[Any] = []

    async def send(output: Any) -> asyncio.Future[Any]:
        sent.append(output)
        acknowledged = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged

    runner._send = send
    await runner.take(0, runner.held[0], [record], 0.0)
    await worker.save(LIKES, [0])
    assert len(asked) == len(sent) == 1


async def closes_nothing(_: float) -> None: ...


async def test_what_was_fetched_before_a_partition_was_taken_up_again_leaves_no_gap(tmp_path: Path) -> None:
    # Its frame is due at once.
    worker = IngestWorker(IngestSettings(checkpoint_dir=tmp_path, ingest_frame_ms=1))
    place, runner = TopicPartition(EXPOSURES, 0), worker.runners[EXPOSURES]
    slate = {"actor_id": "ann", "occurred_at": START_MS, "items": [{"target_id": "song", "rank": 0}]}
    records = [
        SimpleNamespace(value=value, partition=0, offset=n, timestamp=START_MS, headers=(), key=None)
        for n, value in enumerate(msgspec.json.encode({**slate, "slate_id": f"s{n}"}) for n in range(600))
    ]

    async def fetch(*_: Any) -> Any:
        return {place: records}

    worker.fetch = fetch  # type: ignore[method-assign]
    worker.consumer = SimpleNamespace(last_poll_timestamp=lambda _: None)  # type: ignore[assignment]
    await runner.assign(0)
    take, chunks = runner.take, 0

    async def taken(*arguments: Any) -> None:
        nonlocal chunks
        await take(*arguments)
        chunks += 1
        if chunks == 1:
            # The group hands the partition out anew, and nothing of it was saved.
            runner.drop(0)
            await runner.assign(0)

    runner.take = taken  # type: ignore[method-assign]
    for one in worker.runners.values():
        one.close_due = closes_nothing  # type: ignore[method-assign]
    await worker.step()
    # The rest of what was fetched would have left out the first of it.
    assert (chunks, runner.held[0].offset) == (3, -1)
    await worker.step()
    assert (runner.held[0].offset, runner.held[0].task.counters["slates_accepted"]) == (599, 600)
