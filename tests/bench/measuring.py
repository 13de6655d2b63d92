"""What the benchmark's parts share: simulated likes, and how a rate is measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import msgspec

from services.simulator.world import World, WorldSettings

# What, measured, reference, ratio.
Row = tuple[str, str, str, str]
ROUNDS = 3


def world_events(count: int) -> tuple[list[bytes], list[bytes]]:
    world = World(WorldSettings(people=100_000, items=20_000))
    start, keys, values = 1_767_225_600_000, [], []
    while len(values) < count:
        likes = world.likes(start, start + 1000, 5000)
        keys += [a.encode() for a in likes.actors]
        values += [msgspec.json.encode(e) for e in world.events(likes, len(values))]
        start += 1000
    return keys[:count], values[:count]


def rate_of(what: Callable[[], int]) -> float:
    """Likes per second, median of ROUNDS."""
    speeds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        count = what()
        speeds.append(count / (time.perf_counter() - began))
    return statistics.median(speeds)
