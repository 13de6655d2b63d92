"""A connector whose broker is killed for a while: it waits, says so, and loses nothing."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared import kafka
from shared.health import StallWatch
from shared.settings import ServiceSettings
from shared.topics import LIKES
from tests.jetstream import JetstreamServer, commit
from tests.kafka.server import ApacheKafka
from tests.topics import read_topic
from truelike.cli.embedded import free_port
from truelike.cli.stack import Stack

pytestmark = pytest.mark.integration

LIKES_SENT = 4000


def likes(settings: ServiceSettings) -> list[dict[str, Any]]:
    return [json.loads(record.value) for record in asyncio.run(read_topic(settings, LIKES, 2))]


def wait_until(reached: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_broker_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    broker = ApacheKafka(tmp_path)
    broker.start()
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "PARTITIONS": "2",
        "CHECKPOINT_SECONDS": "0.5",
        "HTTP_PORT": str(free_port()),
        "JETSTREAM_REWIND_SECONDS": "0.2",
    }
    settings = ServiceSettings.model_validate({k.lower(): v for k, v in environment.items()})
    stack = Stack(tmp_path, environment)
    url = f"http://127.0.0.1:{environment['HTTP_PORT']}"
    try:
        asyncio.run(kafka.create_topics(settings))
        with JetstreamServer([], pause=0.002) as server:
            stack.start("connector jetstream", "connector", JETSTREAM_URL=server.url)
            stack.wait_ready("connector")
            wait_until(lambda: server.queries)
            start_us = int(time.time() * 1e6)
            server.frames += [
                commit(start_us + n * 1000, f"did:plc:{n % 50}", f"3k{n}", f"at://x/y/{n}") for n in range(LIKES_SENT)
            ]
            wait_until(lambda: server.sent > LIKES_SENT // 4)
            broker.kill_broker(0)
            wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 503)
            assert httpx.get(f"{url}/readyz").json()["checks"]["broker"] != "ok"
            # Longer than a process may stand still that has all it needs.
            time.sleep(StallWatch.STALLED_SECONDS + 5)
            assert httpx.get(f"{url}/healthz").status_code == 200
            broker.start_broker(0)
            broker.wait_for_broker(0)
            wait_until(lambda: httpx.get(f"{url}/readyz").status_code == 200)
            # What is read again is counted again: only the topic says when all is there.
            wait_until(lambda: len({like["event_id"] for like in likes(settings)}) == LIKES_SENT)
            assert stack.stop("connector") == {"connector": 0}
        assert len({json.dumps(like) for like in likes(settings)}) == LIKES_SENT
    finally:
        stack.stop()
        broker.stop()
