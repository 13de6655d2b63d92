"""Ingest: `likes.v1`, `exposures.v1` and HTTP in, frames by actor and rejections out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from starlette.types import ASGIApp

from services.ingest.gathered import Gathered
from services.ingest.http import Gate, build_app
from services.ingest.registry import SchemaRegistry, client
from services.ingest.runner import EXPOSURES_SOURCE, IngestRunner, warm_up
from services.ingest.settings import IngestSettings
from shared.group_worker import GroupWorker
from shared.health import Health, Latency, Sample
from shared.topics import EXPOSURES, EXPOSURES_REJECTED, INGEST_GROUP, LIKES, LIKES_REJECTED, REVIEWS

FETCHED_AT_ONCE = 4000
# Of all partitions: as many of each as are parsed at once, where there are four.
GATHERED = 16_000
FETCHES_A_FRAME = 5
# A fetch that finds nothing is answered within milliseconds; one that is not tells nothing of the partition's end.
FETCH_IS_LATE_MS = 2000
LAGS = {LIKES: "lag_likes", EXPOSURES: "lag_slates"}


class IngestWorker(GroupWorker):
    """Gathers a frame's messages, passes them through each partition's `Intake`, and closes frames that are due."""

    def __init__(self, settings: IngestSettings) -> None:
        self.registry = SchemaRegistry(client(settings))
        likes = IngestRunner(settings, self.send, self.registry)
        exposures = IngestRunner(settings, self.send, self.registry, EXPOSURES_SOURCE, beside=likes)
        self.runners = {LIKES: likes, EXPOSURES: exposures}
        others = [LIKES_REJECTED, EXPOSURES_REJECTED, REVIEWS]
        super().__init__("ingest", settings, self.runners, INGEST_GROUP, others)
        self.gate = Gate(settings)
        self.gathered = Gathered(lambda place: self.runners[place.topic].held.get(place.partition))
        self._timeout_ms = settings.ingest_frame_ms

    def app(self, health: Health) -> ASGIApp:
        return build_app(self.gate, health)

    async def start(self) -> None:
        await super().start()
        self.gate.producer = self.producer

    async def step(self) -> None:
        before = self.gathered.count
        self.gathered.add(await self.fetch(0 if before else self._timeout_ms, FETCHED_AT_ONCE))
        behind = self.gathered.count - before > FETCHED_AT_ONCE // FETCHES_A_FRAME
        now = time.monotonic()
        if self.gathered.count >= GATHERED or any(self.runners[t].due_by_age(now) for t in self.gathered.topics):
            await self._take(now)
        self._note_what_is_not_idle(now)
        for topic, runner in self.runners.items():
            await runner.close_due(now)
            await self.save(topic, runner.due())
        if self.gathered.count and not behind:
            # Parsed once their frame is due: a few at a time cost several times as much.
            await asyncio.sleep(self._timeout_ms / 1000 / FETCHES_A_FRAME)

    async def _take(self, now: float) -> None:
        for place, (entry, records) in self.gathered.take().items():
            runner = self.runners[place.topic]
            for start in range(0, len(records), runner.source.at_once):
                await runner.take(place.partition, entry, records[start : start + runner.source.at_once], now)
                self.progressed_at = now
                # HTTP callers, and what is being sent, get their turns.
                await asyncio.sleep(0)

    def _note_what_is_not_idle(self, now: float) -> None:
        """A partition is idle only if the broker said lately that it has nothing more: one whose leader is lost, or
        whose messages wait here, is not.
        """
        assert self.consumer is not None
        for place, offset in self.positions().items():
            fetched_at = self.consumer.last_poll_timestamp(place)
            known = fetched_at is not None and time.time() * 1000 - fetched_at < FETCH_IS_LATE_MS
            if not known or (self.consumer.highwater(place) or 0) > offset + 1:
                self.runners[place.topic].sources.wait_for(place.partition, now)

    async def stop(self, in_order: bool) -> None:
        self.gate.producer = None
        await super().stop(in_order)
        await self.registry.close()

    def missing(self) -> dict[str, str | None]:
        return {**super().missing(), "schema registry": self.registry.dependency.error}

    def samples(self) -> Iterable[Sample | Latency]:
        counters = self.gate.counters | {n: v for runner in self.runners.values() for n, v in runner.counters().items()}
        for name, value in counters.items():
            yield Sample(f"{name}_total", value, {"stage": "ingest"})
        for place, messages in self.lag().items():
            name = LAGS[place.topic]
            yield Sample(name, messages, {"stage": "ingest", "partition": str(place.partition)}, "gauge")


async def main(settings: IngestSettings) -> None:
    warm_up()
    await IngestWorker(settings).run()
