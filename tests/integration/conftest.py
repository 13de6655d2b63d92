"""A Redis for tests of who reads and writes it alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from services.console.app import ConsoleSettings
from shared import redis_connection
from truelike.cli.embedded import Redis


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    running = Redis(tmp_path_factory.mktemp("valkey"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
async def redis(valkey: Redis) -> AsyncIterator[Any]:
    client: Any = redis_connection.connect(ConsoleSettings.model_validate({"redis_url": valkey.url}))
    await client.flushall()
    yield client
    await client.aclose()
