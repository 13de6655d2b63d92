"""Simulator: sends a world's likes to `likes.v1` at a steady rate, and writes their truth to a file of its own."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec
import structlog
from pydantic import Field
from starlette.applications import Starlette

from services.simulator.world import KINDS, World, WorldSettings
from shared import kafka
from shared.batches import BatchProducer
from shared.dependency import until_available
from shared.health import Health, Latency, Sample
from shared.service import Service
from shared.settings import ServiceSettings
from shared.topics import LIKES

log = structlog.get_logger()

STEP_SECONDS = 0.05
MALFORMED = b'{"event_id":"malformed","occurred_at":"yesterday"}'


class SimulatorSettings(ServiceSettings):
    """The simulator's own settings."""

    simulator_rate: float = Field(1000.0, gt=0, le=1_000_000, description="Likes a second")
    simulator_speed: float = Field(1.0, gt=0, description="Seconds of event time that pass per second")
    simulator_seconds: float | None = Field(None, gt=0, description="Stop sending after this long, s; empty: never")
    simulator_likes: int | None = Field(None, gt=0, description="Stop sending after this many likes; empty: never")
    simulator_seed: int = Field(7, ge=0, description="Seed of the world")
    simulator_people: int = Field(20_000, ge=10, description="People in the world")
    simulator_items: int = Field(4_000, ge=100, description="Items in the world")
    simulator_bot_share: float = Field(0.15, ge=0, lt=1, description="Share of likes that bots give")
    simulator_faults: float = Field(
        0.002, ge=0, lt=0.5, description="Share of likes sent twice, and of malformed messages"
    )
    simulator_start: int | None = Field(
        None,
        ge=0,
        description="Event time of the first like, ms since the epoch; empty: a day ago if sped up, else now",
    )
    simulator_truth: Path | None = Field(None, description="File for the truth of every like (CSV)")


class Simulator:
    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.world = World(
            WorldSettings(
                settings.simulator_seed,
                settings.simulator_people,
                settings.simulator_items,
                bot_share=settings.simulator_bot_share,
            )
        )
        self.counters = {"simulated_likes": 0, "simulated_duplicates": 0, "simulated_malformed": 0}
        self.producer: BatchProducer | None = None
        self.finished = False
        # Of this process alone, so that one that is started again repeats no event id.
        self.first_number = 0 if settings.simulator_start is not None else time.time_ns() // 1000

    async def run(self, stopping: asyncio.Event, enough: asyncio.Event) -> None:
        """Send until told to stop, or until the configured time or number is reached."""
        s = self.settings
        began = time.monotonic()
        start_ms = s.simulator_start
        if start_ms is None:
            start_ms = int(time.time() * 1000) - (86_400_000 if s.simulator_speed > 1 else 0)
        truth = s.simulator_truth.open("w") if s.simulator_truth is not None else None
        done = 0.0
        if truth is not None:
            truth.write("event_id,actor_id,kind\n")
        try:
            while not (stopping.is_set() or enough.is_set()):
                elapsed = time.monotonic() - began
                if s.simulator_seconds is not None and elapsed >= s.simulator_seconds:
                    break
                if s.simulator_likes is not None and self.counters["simulated_likes"] >= s.simulator_likes:
                    break
                until = min(elapsed, done + 4 * STEP_SECONDS)
                count = round(until * s.simulator_rate) - round(done * s.simulator_rate)
                if count:
                    window = (
                        start_ms + round(done * s.simulator_speed * 1000),
                        start_ms + round(until * s.simulator_speed * 1000),
                    )
                    rows = await self._send(*window, count)
                    if truth is not None:
                        truth.write(rows)
                    done = until
                await asyncio.sleep(max(0.0, STEP_SECONDS - (time.monotonic() - began - elapsed)))
        finally:
            if self.producer is not None:
                await self.producer.flush()
            if truth is not None:
                truth.close()
            self.finished = True
            log.info("simulator finished", **self.counters)

    async def _send(self, start_ms: int, stop_ms: int, count: int) -> str:
        assert self.producer is not None
        likes = self.world.likes(start_ms, max(stop_ms, start_ms + 1), count)
        first = self.first_number + self.counters["simulated_likes"]
        events = self.world.events(likes, first)
        values = [msgspec.json.encode(e) for e in events]
        keys = [a.encode() for a in likes.actors]
        again = self.world.rng.binomial(len(values), self.settings.simulator_faults)
        malformed = self.world.rng.binomial(len(values), self.settings.simulator_faults)
        keys += keys[:again] + [b"malformed"] * malformed
        values += values[:again] + [MALFORMED] * malformed
        await self.producer.send(keys, values, int(time.time() * 1000))
        self.counters["simulated_likes"] += len(events)
        self.counters["simulated_duplicates"] += again
        self.counters["simulated_malformed"] += malformed
        return "".join(
            f"{e['event_id']},{a},{KINDS[k]}\n"
            for e, a, k in zip(events, likes.actors, likes.kinds.tolist(), strict=True)
        )

    def samples(self) -> Iterable[Sample | Latency]:
        for name, value in self.counters.items():
            yield Sample(f"{name}_total", value, {"stage": "simulator"})
        acknowledged = self.producer.acknowledged if self.producer is not None else 0
        yield Sample("acknowledged_messages_total", acknowledged, {"stage": "simulator"})
        yield Sample("finished", float(self.finished), {"stage": "simulator"}, "gauge")


async def main(settings: SimulatorSettings) -> None:
    simulator = Simulator(settings)
    health = Health(
        "simulator",
        lambda: {"broker": None if simulator.producer is not None else "not connected"},
        lambda: {"progress": None},
        simulator.samples,
    )
    async with Service("simulator", settings, Starlette(routes=health.routes())) as service:
        if not await until_available("kafka", lambda: kafka.require_topics(settings, LIKES), service.stopping):
            return
        producer = kafka.producer(settings)
        await producer.start()
        simulator.producer = BatchProducer(producer, LIKES, settings.partitions)
        # SIGUSR1: send no more, but stay, so that figures can be compared while the likes drain.
        enough = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, enough.set)
        await simulator.run(service.stopping, enough)
        await producer.stop()
        # Its figures stay readable until it is told to go.
        await service.stopping.wait()
