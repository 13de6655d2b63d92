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
from rich.console import Console

from services.simulator.events import events
from services.simulator.settings import WorldSettings
from services.simulator.world import World

# What, measured, reference, ratio.
Row = tuple[str, str, str, str]
ROUNDS = 3
EVENTS = 200_000


@dataclass(frozen=True)
class Bench:
    """What a run of the benchmark was asked for. `count`: likes of the memory rows; `sustain`: least seconds that the
    whole pipeline is under load; `rate`: likes a second that it is given.
    """

    console: Console
    count: int = int(os.environ.get("LIKES", "1000000"))
    sustain: float = float(os.environ.get("SUSTAIN", "60"))
    rate: float = float(os.environ.get("RATE", "20000"))

    @cached_property
    def events(self) -> tuple[list[bytes], list[bytes]]:
        """Keys and values of a simulated platform's likes."""
        return world_events(EVENTS)


class Part(Protocol):
    """A module of rows. `TITLE` is its section in docs/benchmarks.md."""

    TITLE: str

    def rows(self, bench: Bench) -> list[Row]: ...


def world_events(count: int) -> tuple[list[bytes], list[bytes]]:
    world = World(WorldSettings(people=100_000, items=20_000), 1_767_225_600_000)
    found = events(world, world.take(count), 0)
    return [event["actor_id"].encode() for event in found], [msgspec.json.encode(event) for event in found]


def rate_of(what: Callable[[], int]) -> float:
    """Likes per second, median of ROUNDS."""
    speeds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        count = what()
        speeds.append(count / (time.perf_counter() - began))
    return statistics.median(speeds)
