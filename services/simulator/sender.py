"""Sends a simulated world's likes and buys to `likes.v1` and what was shown to `exposures.v1`, at a steady rate or as
its time passes, and writes down the truth.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import structlog

from services.simulator.buys import Buys, buy_events
from services.simulator.events import events
from services.simulator.likes import Likes
from services.simulator.settings import DAY_MS, PAST_DAYS, SimulatorSettings, WorldSettings
from services.simulator.slates import Slates, slate_events
from services.simulator.stream import Stream, Taken
from services.simulator.truth import truth_of
from services.simulator.world import AGENT_KIND, KINDS, PERSON_KIND, World
from shared.batches import BatchProducer
from shared.health import Latency, Sample

log = structlog.get_logger()

STEP_SECONDS = 0.05
# Where event time follows the clock, what lies between two steps is few; this bounds a step after a long pause.
MOST_A_STEP = 50_000
MALFORMED = b'{"event_id":"malformed","occurred_at":"yesterday"}'


class Simulator:
    def __init__(self, settings: SimulatorSettings, begin_ms: int) -> None:
        self.settings = settings
        self.begin_ms = begin_ms
        pace = settings.pace
        self.world = World(
            WorldSettings(
                settings.simulator_seed,
                pace.people,
                settings.simulator_items,
                likes_a_day=pace.likes_a_day,
                bot_share=settings.simulator_bot_share,
            ),
            begin_ms,
        )
        self.stream = Stream(self.world, settings.planted)
        self.rng = np.random.default_rng((settings.simulator_seed, begin_ms))
        self.counters = {
            "simulated_likes": 0,
            "simulated_duplicates": 0,
            "simulated_malformed": 0,
            "simulated_slates": 0,
            "simulated_buys": 0,
        }
        self.event_ms = begin_ms
        self.producer: BatchProducer | None = None
        self.slates_producer: BatchProducer | None = None
        self.finished = False
        # Of this process alone, so that one that is started again repeats no event id.
        self.first_number = 0 if settings.simulator_start is not None else time.time_ns() // 1000

    async def run(self, stopping: asyncio.Event, enough: asyncio.Event) -> None:
        """Send until told to stop, or until the configured time or number is reached."""
        s = self.settings
        began = time.monotonic()
        truth = s.simulator_truth.open("w") if s.simulator_truth is not None else None
        done = 0.0
        if truth is not None:
            truth.write("event_id,actor_id,kind\n")
            self._write_planted()
        try:
            while not (stopping.is_set() or enough.is_set()):
                elapsed = time.monotonic() - began
                if s.simulator_seconds is not None and elapsed >= s.simulator_seconds:
                    break
                if s.simulator_likes is not None and self.counters["simulated_likes"] >= s.simulator_likes:
                    break
                until = min(elapsed, done + 4 * STEP_SECONDS)
                likes, slates, buys = self._due(done, until)
                if len(slates):
                    await self._send_slates(slates)
                rows = await self._send(likes) if len(likes) else ""
                rows += await self._send_buys(buys) if len(buys) else ""
                if truth is not None:
                    truth.write(rows)
                done = until
                await asyncio.sleep(max(0.0, STEP_SECONDS - (time.monotonic() - began - elapsed)))
        finally:
            for producer in (self.producer, self.slates_producer):
                if producer is not None:
                    await producer.flush()
            if truth is not None:
                truth.close()
                self._write_planted()
            self.finished = True
            log.info("simulator finished", **self.counters)

    def _write_planted(self) -> None:
        """Beside the truth of every like; what is expected of drift is of all likes so far."""
        path, planted, recommender = self.settings.simulator_truth, self.settings.planted, self.stream.recommender
        if path is not None and planted is not None and recommender is not None:
            truth = truth_of(self.settings.simulator_seed, planted, recommender.drift.expected())
            path.with_suffix(".json").write_text(json.dumps(truth, indent=2) + "\n")

    def _due(self, done: float, until: float) -> Taken:
        """What to send between these seconds since the beginning; never what has not happened yet."""
        s = self.settings
        now_ms = int(time.time() * 1000)
        if s.simulator_speed is None:
            return self.stream.take(round(until * s.simulator_rate) - round(done * s.simulator_rate), now_ms)
        passed_ms = self.begin_ms + round(until * s.simulator_speed * 1000)
        return self.stream.take(MOST_A_STEP, min(passed_ms, now_ms))

    async def _send_slates(self, slates: Slates) -> None:
        assert self.slates_producer is not None
        found = slate_events(slates, self.first_number, self.settings.simulator_seed)
        keys = [e["actor_id"].encode() for e in found]
        await self.slates_producer.send(keys, [msgspec.json.encode(e) for e in found], int(time.time() * 1000))
        self.counters["simulated_slates"] += len(found)

    async def _send(self, likes: Likes) -> str:
        assert self.producer is not None
        found = events(self.world, likes, self.first_number + self.counters["simulated_likes"], self.first_number)
        values = [msgspec.json.encode(e) for e in found]
        keys = [e["actor_id"].encode() for e in found]
        again, malformed = self.rng.binomial(len(values), self.settings.simulator_faults, 2)
        keys += keys[:again] + [b"malformed"] * malformed
        values += values[:again] + [MALFORMED] * malformed
        await self.producer.send(keys, values, int(time.time() * 1000))
        self.counters["simulated_likes"] += len(found)
        self.counters["simulated_duplicates"] += int(again)
        self.counters["simulated_malformed"] += int(malformed)
        self.event_ms = int(likes.times_ms[-1])
        return _rows(found, likes.kinds.tolist())

    async def _send_buys(self, buys: Buys) -> str:
        assert self.producer is not None
        first_number = self.first_number + self.counters["simulated_buys"]
        found = buy_events(buys, first_number, self.settings.simulator_seed)
        keys = [e["actor_id"].encode() for e in found]
        await self.producer.send(keys, [msgspec.json.encode(e) for e in found], int(time.time() * 1000))
        self.counters["simulated_buys"] += len(found)
        kinds = np.where(buys.of_agents, AGENT_KIND, PERSON_KIND).tolist()
        return _rows(found, kinds)

    def samples(self) -> Iterable[Sample | Latency]:
        for name, value in self.counters.items():
            yield Sample(f"{name}_total", value, {"stage": "simulator"})
        acknowledged = self.producer.acknowledged if self.producer is not None else 0
        yield Sample("acknowledged_messages_total", acknowledged, {"stage": "simulator"})
        yield Sample("event_time_seconds", self.event_ms / 1000, {"stage": "simulator"}, "gauge")
        yield Sample("finished", float(self.finished), {"stage": "simulator"}, "gauge")


def _rows(found: list[dict[str, Any]], kinds: list[int]) -> str:
    """Of the truth's file."""
    return "".join(f"{e['event_id']},{e['actor_id']},{KINDS[kind]}\n" for e, kind in zip(found, kinds, strict=True))


def begin(settings: SimulatorSettings, now_ms: int) -> int:
    """Event time at the beginning (ms). Faster than the clock there is only the past, within the detector's horizon."""
    if settings.simulator_start is not None:
        return settings.simulator_start
    return now_ms if settings.simulator_speed == 1 else now_ms - PAST_DAYS * DAY_MS
