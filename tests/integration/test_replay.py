"""`truelike replay` into a stack that runs: every like accounted for, whatever else is sent; with a broker alone."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from shared import kafka
from shared.batches import BatchProducer
from shared.events import rfc3339
from shared.settings import ServiceSettings
from shared.topics import LIKES
from tests.kafka.server import ApacheKafka
from tests.likes import like
from truelike.cli.app import app
from truelike.cli.embedded import Broker
from truelike.cli.stack import Stack

pytestmark = pytest.mark.integration
DAY_MS = 86_400_000


def replay(environment: dict[str, str], *words: object) -> Result:
    done = CliRunner().invoke(app, ["replay", *map(str, words)], env=environment)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done


def written(path: Path, events: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def days(number: int, ago: float = 0.5, count: int = 400) -> list[dict[str, Any]]:
    """Likes without an event_id, all within half an hour, newest first."""
    start = round(time.time() * 1000 - ago * DAY_MS)
    return [
        {"occurred_at": rfc3339(start + 4000 * n), "actor_id": f"p{n % 50}", "target_id": f"day{number}-{n}"}
        for n in reversed(range(count))
    ]


class Running:
    """A broker and an ingest, nothing else."""

    def __init__(self, folder: Path) -> None:
        on_kafka = os.environ.get("TRUELIKE_TEST_BROKER") == "kafka"
        self.broker = ApacheKafka(folder) if on_kafka else Broker(folder)
        self.broker.start()
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            "KAFKA_IDEMPOTENCE": "true" if on_kafka else "false",
            "PARTITIONS": "2",
            "CHECKPOINT_SECONDS": "0.5",
            "INGEST_IDLE_SECONDS": "2",
        }
        self.settings = ServiceSettings.model_validate({k.lower(): v for k, v in self.environment.items()})
        self.stack = Stack(folder, self.environment)

    def start(self) -> None:
        self.stack.start("ingest")
        self.stack.wait_ready("ingest")

    def send(self, events: list[dict[str, Any]]) -> None:
        """As any platform does, and wait until ingest has them in frames."""
        asyncio.run(self._send(events))
        deadline = time.monotonic() + 60
        while self.received() < len(events):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        time.sleep(1)

    async def _send(self, events: list[dict[str, Any]]) -> None:
        producer = kafka.producer(self.settings)
        await producer.start()
        sender = BatchProducer(producer, LIKES, self.settings.partitions)
        keys, values = [e["actor_id"].encode() for e in events], [json.dumps(e).encode() for e in events]
        await sender.send(keys, values, int(time.time() * 1000))
        await sender.flush()
        await producer.stop()

    def received(self) -> int:
        return int(self.stack.metrics().get("ingest/received_total", 0))


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    try:
        asyncio.run(kafka.create_topics(running.settings))
        running.start()
        yield running
    finally:
        running.stack.stop()
        running.broker.stop()


def test_a_replay_accounts_for_its_own_likes_while_others_are_sent(stack: Running, tmp_path: Path) -> None:
    environment = stack.environment
    others = [like(n, f"o{n % 20}", f"o{n}", occurred_at=round(time.time() * 1000)) for n in range(300)]
    stack.send(others[:150])
    days1, days2 = (written(tmp_path / f"day{n}.jsonl", days(n)) for n in (1, 2))
    done = replay(environment, days1)
    assert "400 rows: accepted 400, rejected 0, duplicates 0, ignored 0, late 0" in done.output
    stack.send(others[150:])
    done = replay(environment, days2)
    assert "accepted 400, rejected 0, duplicates 0" in done.output
    assert done.exit_code == 0
    # The same file again is the same likes.
    done = replay(environment, days1)
    assert "400 rows: accepted 0, rejected 0, duplicates 400" in done.output
    assert done.exit_code == 1

    ahead = days(3, count=20) + days(4, ago=-1, count=5)
    done = replay(environment, written(tmp_path / "ahead.jsonl", ahead), "--rejected", tmp_path / "rejected")
    assert "25 rows: accepted 20, rejected 5, duplicates 0" in done.output
    assert "lies more than 5 minutes after the message was sent" in done.output
    assert sorted(json.loads(line)["row"] for line in (tmp_path / "rejected").read_text().splitlines()) == [
        21,
        22,
        23,
        24,
        25,
    ]
    assert done.exit_code == 3


def test_likes_before_the_horizon_are_told_before_anything_is_sent(stack: Running, tmp_path: Path) -> None:
    stack.send([like(n, f"o{n % 20}", f"o{n}", occurred_at=round(time.time() * 1000)) for n in range(100)])
    old = written(tmp_path / "old.jsonl", days(1, ago=400, count=50))
    done = replay(stack.environment, old)
    assert done.exit_code == 2
    assert "50 of 50 likes lie before the horizon" in done.output.replace("\n", " ")
    assert stack.received() == 100
    done = replay(stack.environment, old, "--shift-to-now")
    assert "later than the file has them" in done.output
    assert "accepted 50, rejected 0, duplicates 0, ignored 0, late 0" in done.output
    done = replay(stack.environment, written(tmp_path / "older.jsonl", days(2, ago=400, count=50)), "--allow-late")
    assert "accepted 50, rejected 0, duplicates 0, ignored 0, late 50" in done.output


def test_without_an_ingest_likes_wait_and_are_not_lost(stack: Running, tmp_path: Path) -> None:
    stack.stack.stop("ingest")
    path = written(tmp_path / "likes.jsonl", days(1))
    done = replay(stack.environment, path, "--wait", 2)
    assert done.exit_code == 4
    assert "400 of 400 likes are in Kafka, not yet taken by an ingest" in done.output.replace("\n", " ")
    stack.start()
    done = replay(stack.environment, path, "--speed", "100000x")
    assert "accepted 0, rejected 0, duplicates 400" in done.output
