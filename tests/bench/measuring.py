"""What the benchmark's parts share: simulated likes, how a rate is measured, and what a part is."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import msgspec
import psutil
from rich.console import Console

from services.simulator.events import events
from services.simulator.settings import WorldSettings
from services.simulator.world import World
from shared import kafka
from shared.batches import BatchProducer
from shared.settings import ServiceSettings
from shared.topics import LIKES

# What, measured, reference, ratio.
Row = tuple[str, str, str, str]
ROUNDS = 3
EVENTS = 200_000
SHORT_EVENTS = 40_000


@dataclass(frozen=True)
class Bench:
    """What a run of the benchmark was asked for. `count`: likes of the memory rows; `sustain`: least seconds that the
    whole pipeline is under load; `rate`: likes a second that it is given; `short`: a look that takes a minute or two.
    """

    console: Console
    count: int = int(os.environ.get("LIKES", "1000000"))
    sustain: float = float(os.environ.get("SUSTAIN", "60"))
    rate: float = float(os.environ.get("RATE", "20000"))
    short: bool = False

    @cached_property
    def events(self) -> tuple[list[bytes], list[bytes]]:
        """Keys and values of a simulated platform's likes."""
        return world_events(SHORT_EVENTS if self.short else EVENTS)


class Part(Protocol):
    """A module of rows. `TITLE` is its section in docs/benchmarks.md."""

    TITLE: str

    def rows(self, bench: Bench) -> list[Row]: ...


def world_events(count: int) -> tuple[list[bytes], list[bytes]]:
    world = World(WorldSettings(people=100_000, items=20_000), 1_767_225_600_000)
    found = events(world, world.take(count), 0)
    return [event["actor_id"].encode() for event in found], [msgspec.json.encode(event) for event in found]


async def fill(settings: ServiceSettings, keys: list[bytes], values: list[bytes], topic: str = LIKES) -> None:
    """Put messages into a topic, sent now."""
    producer = kafka.producer(settings)
    await producer.start()
    sender = BatchProducer(producer, topic, settings.partitions)
    for n in range(0, len(values), 5000):
        await sender.send(keys[n : n + 5000], values[n : n + 5000], int(time.time() * 1000))
    await sender.flush()
    await producer.stop()


def cpu_seconds(pid: int) -> float:
    """User and system seconds of a process and of all that it started."""
    process = psutil.Process(pid)
    ended = process.cpu_times()
    running = [child.cpu_times() for child in process.children(recursive=True)]
    return ended.children_user + ended.children_system + sum(t.user + t.system for t in [ended, *running])


def rate_of(what: Callable[[], int]) -> float:
    """Likes per second, median of ROUNDS."""
    speeds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        count = what()
        speeds.append(count / (time.perf_counter() - began))
    return statistics.median(speeds)
