"""Ingest: `likes.v1` and HTTP in, frames by actor and rejections out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from starlette.types import ASGIApp

from services.ingest.http import Gate, build_app
from services.ingest.registry import SchemaRegistry, client
from services.ingest.runner import IngestRunner, warm_up
from services.ingest.settings import IngestSettings
from shared.group_worker import GroupWorker
from shared.health import Health, Latency, Sample
from shared.topics import INGEST_GROUP, LIKES, LIKES_REJECTED

FETCHED_AT_ONCE = 4000
# A fetch that finds nothing is answered within milliseconds; one that is not tells nothing of the partition's end.
FETCH_IS_LATE_MS = 2000


class IngestWorker(GroupWorker):
    """Reads batches, passes them through each partition's `Intake`, and closes frames that are due."""

    def __init__(self, settings: IngestSettings) -> None:
        super().__init__("ingest", settings, LIKES, INGEST_GROUP, [LIKES_REJECTED])
        self.gate = Gate(settings)
        self.registry = SchemaRegistry(client(settings))
        self.partitions = self.runner = IngestRunner(settings, self.send, self.registry)
        self._timeout_ms = settings.ingest_frame_ms

    def app(self, health: Health) -> ASGIApp:
        return build_app(self.gate, health)

    async def start(self) -> None:
        await super().start()
        self.gate.producer = self.producer

    async def step(self) -> None:
        fetched = await self.fetch(self._timeout_ms, FETCHED_AT_ONCE)
        now = time.monotonic()
        for partition, records in fetched.items():
            await self.runner.take(partition, records, now)
            self.progressed_at = now
            # HTTP callers, and what is being sent, get their turns.
            await asyncio.sleep(0)
        self._note_what_is_not_idle(now)
        await self.runner.close_due(now)
        await self.save(self.runner.due())

    def _note_what_is_not_idle(self, now: float) -> None:
        """A partition is idle only if the broker said lately that it has nothing more: one whose leader is lost, or
        whose likes wait here, is not.
        """
        assert self.consumer is not None
        for place, offset in self.positions().items():
            fetched_at = self.consumer.last_poll_timestamp(place)
            known = fetched_at is not None and time.time() * 1000 - fetched_at < FETCH_IS_LATE_MS
            if not known or (self.consumer.highwater(place) or 0) > offset + 1:
                self.runner.sources.wait_for(place.partition, now)

    async def stop(self, in_order: bool) -> None:
        self.gate.producer = None
        await super().stop(in_order)
        await self.registry.close()

    def missing(self) -> dict[str, str | None]:
        return {**super().missing(), "schema registry": self.registry.dependency.error}

    def samples(self) -> Iterable[Sample | Latency]:
        for name, value in (self.gate.counters | self.runner.counters()).items():
            yield Sample(f"{name}_total", value, {"stage": "ingest"})
        for place, likes in self.lag().items():
            yield Sample("lag_likes", likes, {"stage": "ingest", "partition": str(place.partition)}, "gauge")


async def main(settings: IngestSettings) -> None:
    warm_up()
    await IngestWorker(settings).run()
