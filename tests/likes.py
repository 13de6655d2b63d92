"""Likes for tests, seeded."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from shared.frames import Output
from truelike.files.offline import OfflineIngest

START_MS = 1_767_225_600_000


def like(number: int, actor: str = "ann", target: str = "song", at_s: float = 0.0, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "actor_id": actor,
        "target_id": target,
        "occurred_at": START_MS + round(at_s * 1000),
        **more,
    }


def crowd(
    seed: int = 1, people: int = 300, targets: int = 100, likes: int = 4000, hours: float = 4.0
) -> list[dict[str, Any]]:
    """People who like independently of each other, and a group of twelve in lockstep on eight targets."""
    rng = np.random.default_rng(seed)
    rows = [
        (float(t), f"person{rng.integers(people)}", f"t{rng.integers(targets)}")
        for t in rng.uniform(0, hours * 3600, likes)
    ]
    for turn in range(8):
        begin = rng.uniform(0, hours * 3600 - 100)
        rows += [(begin + rng.uniform(0, 20), f"bot{b}", f"promoted{turn}") for b in range(12)]
    return [like(n, actor, target, at) for n, (at, actor, target) in enumerate(sorted(rows))]


def ingest_in_batches(events: list[dict[str, Any]], cuts: list[int], partitions: int) -> list[Output]:
    """Frames by actor of events that arrive in batches cut at these places, and the end of the stream."""
    ingest, frames, start = OfflineIngest(partitions), [], 0
    for stop in [*sorted(set(cuts)), len(events)]:
        part = events[start:stop]
        if part:
            frames += ingest.take([msgspec.json.encode(e) for e in part], [e["actor_id"] for e in part])
        start = stop
    return frames + ingest.end()
