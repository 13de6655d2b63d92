from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.console.app import ConsoleSettings
from shared import redis_connection
from tests.integration.platform import Platform
from truelike.cli.embedded import Redis


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    running = Platform(tmp_path)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """For tests of who reads and writes it alone."""
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
