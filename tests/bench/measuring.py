"""What the benchmark's parts share: simulated likes, and how a rate is measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import msgspec

from services.simulator.events import events
from services.simulator.settings import WorldSettings
from services.simulator.world import World

# What, measured, reference, ratio.
Row = tuple[str, str, str, str]
ROUNDS = 3


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
