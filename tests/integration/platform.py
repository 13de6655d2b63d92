"""Broker, Redis and all services, for one test."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from shared import kafka
from shared.batches import BatchProducer
from shared.settings import ServiceSettings
from shared.topics import LIKES, SINGLE
from tests.kafka.server import ApacheKafka
from tests.quiescence import Quiescence
from tests.topics import read_topic
from truelike.cli.embedded import Broker, Redis
from truelike.cli.stack import SERVICES, Stack


class Platform:
    """Broker, Redis and services, and a producer as a platform would have one."""

    def __init__(self, folder: Path, services: Sequence[str] = SERVICES, **environment: str) -> None:
        on_kafka = os.environ.get("TRUELIKE_TEST_BROKER") == "kafka"
        self.broker = ApacheKafka(folder) if on_kafka else Broker(folder)
        self.redis = Redis(folder)
        self.broker.start()
        self.redis.start()
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            "REDIS_URL": self.redis.url,
            "KAFKA_IDEMPOTENCE": "true" if on_kafka else "false",
            "PARTITIONS": "2",
            "CHECKPOINT_SECONDS": "0.5",
            "EXPORT_SECONDS": "1",
            "INGEST_IDLE_SECONDS": "2",
            "EVENT_TIME_SPEED": "600",
            **environment,
        }
        self.settings = ServiceSettings.model_validate({k.lower(): v for k, v in self.environment.items()})
        self.stack = Stack(folder, self.environment)
        try:
            asyncio.run(kafka.create_topics(self.settings))
            for name in services:
                self.stack.start(name)
            # What is not compiled yet takes a busy machine its time.
            self.stack.wait_ready(*services, timeout=240)
        except BaseException:
            # A test that cannot begin must not leave its processes to the next one.
            self.stop()
            raise

    def stop(self) -> dict[str, int]:
        codes = self.stack.stop()
        self.redis.stop()
        self.broker.stop()
        return codes

    async def send(self, events: list[dict[str, Any]], topic: str = LIKES) -> None:
        producer = kafka.producer(self.settings)
        await producer.start()
        sender = BatchProducer(producer, topic, 1 if topic in SINGLE else self.settings.partitions)
        values = [msgspec.json.encode(e) for e in events]
        await sender.send([e["actor_id"].encode() for e in events], values, int(time.time() * 1000))
        await sender.flush()
        await producer.stop()

    def wait(self, name: str, count: int, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while (found := self.stack.metrics().get(name, 0)) < count:
            died = {label: p.returncode for label, p in self.stack.processes.items() if p.poll() is not None}
            assert not died, f"ended: {died}; logs in {self.stack.folder}"
            assert time.monotonic() < deadline, f"{name}: {found} of {count}; logs in {self.stack.folder}"
            time.sleep(0.2)
        assert found == count

    def rest(self, seconds: float = 60, still_seconds: float = 3) -> None:
        """Wait until all is read and nothing has been counted for a while: nothing more follows from what was sent."""
        deadline, quiescence = time.monotonic() + seconds, Quiescence()
        while not quiescence.lasts(self.stack.metrics(), still_seconds):
            assert time.monotonic() < deadline, f"still at work; logs in {self.stack.folder}"
            time.sleep(0.2)

    def read(self, topic: str, partitions: int = 1) -> list[Any]:
        return asyncio.run(read_topic(self.settings, topic, partitions))
