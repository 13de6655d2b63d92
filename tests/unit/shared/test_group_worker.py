"""A member of a group whose partitions go to another while it saves them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiokafka.errors import CommitFailedError, IllegalStateError

from services.ingest.app import IngestWorker
from services.ingest.settings import IngestSettings
from shared.topics import LIKES
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
    await runner.take(0, [record], 0.0)
    await worker.save(LIKES, [0])
    assert len(asked) == len(sent) == 1
