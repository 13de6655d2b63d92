"""Likes of now, with ids that are known, sent through the port that a platform's own producers would use."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from services.simulator import events as simulated
from services.simulator.settings import WorldSettings
from services.simulator.world import World
from shared import kafka
from shared.batches import BatchProducer
from shared.settings import ServiceSettings
from shared.topics import LIKES
from tests.background import Background

# The simulator of the demo has another one, and with it other event ids.
SEED = 4711
# Not more often: every step costs each service a frame a partition, however few its likes.
STEP_SECONDS = 1.0
MINUTE_MS = 60_000
# Before the present: their windows are closed, so that verdicts on them are there soon.
EARLIER_MINUTES = 20


def make(likes: int) -> list[dict[str, Any]]:
    """People's, bots' and agents' likes in order, each with `occurred_at` in ms since the first. About 10,000 of them
    fill the minutes that lie before the present.
    """
    begin_ms = 1_767_225_600_000
    world = World(WorldSettings(seed=SEED, people=50_000), begin_ms)
    events = simulated.events(world, world.take(likes), 0)
    for event in events:
        # Actors and targets of their own, beside the simulator's.
        event["occurred_at"] -= begin_ms
        event["actor_id"] = f"test-{event['actor_id']}"
        event["target_id"] = f"test-{event['target_id']}"
        event.pop("actor_created_at", None)
    return events


def earlier(events: list[dict[str, Any]], now_ms: int) -> list[dict[str, Any]]:
    """Given over the last minutes."""
    begin = now_ms - EARLIER_MINUTES * MINUTE_MS
    return [{**event, "occurred_at": begin + event["occurred_at"]} for event in events]


def live(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without a time: given when they are sent."""
    return [{name: value for name, value in event.items() if name != "occurred_at"} for event in events]


class Feeder(Background):
    """A thread that sends, at a rate, likes that are given just then. All are acknowledged once `join` returns."""

    def __init__(self, settings: ServiceSettings, events: list[dict[str, Any]], rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.sent = 0
        self._settings, self._events = settings, events
        self.start()

    async def work(self) -> None:
        producer = kafka.producer(self._settings)
        await producer.start()
        sender = BatchProducer(producer, LIKES, self._settings.partitions)
        while self.sent < len(self._events):
            now = round(time.time() * 1000)
            part = self._events[self.sent : self.sent + max(1, round(STEP_SECONDS * self.rate))]
            part = [{"occurred_at": now, **event} for event in part]
            await sender.send([e["actor_id"].encode() for e in part], [msgspec.json.encode(e) for e in part], now)
            self.sent += len(part)
            await asyncio.sleep(STEP_SECONDS)
        await sender.flush()
        await producer.stop()
