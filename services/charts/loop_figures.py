"""What machines like of what machines made, and what that does: the loop's figures, in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import msgspec
from redis.asyncio import Redis

from services.charts.figures import FIGURES
from services.charts.periods import DAY_MS
from services.charts.reviews import NO_REVIEWS, Reviews
from services.charts.settings import ChartsSettings
from services.charts.tallies import State
from services.charts.task import ChartsTask
from shared import redis_keys
from shared.background import BackgroundJob
from shared.events import rfc3339
from shared.measures.figure import Figure
from shared.partitions import Partition
from shared.topics import TRUSTED_LIKES


class LoopFigures(BackgroundJob):
    """Reckoned from what likes of the last days add up to."""

    def __init__(self, settings: ChartsSettings, redis: Redis, held: Callable[[], list[Partition]]) -> None:
        super().__init__(redis, "loop-figures", TRUSTED_LIKES, settings.charts_seconds)
        self._held = held

    async def work(self) -> None:
        for entry in self._held():
            task: ChartsTask = entry.task
            if entry.offset <= await self.writer.newest(task.partition):
                continue
            async with entry.between_frames:
                offset, clock = entry.offset, task.counts.clock
                state = await asyncio.to_thread(task.tallies.state)
            document = await asyncio.to_thread(document_of, state, clock, task.tallies.days)
            await self.writer.apply(task.partition, offset, [("SET", redis_keys.PLATFORM_LOOP, document)])


def document_of(state: State, clock: int, days: int) -> bytes:
    """What `GET /v1/loop` answers (shared.messages.PlatformLoop)."""
    first, last = (min(state.days), max(state.days)) if state.days else (0, 0)
    window = (first * DAY_MS, min((last + 1) * DAY_MS - 1, clock))
    return msgspec.json.encode(
        {
            "as_of": rfc3339(clock),
            "days": days,
            "figures": [figure.described(window) for figure in figures_of(state)],
        }
    )


def figures_of(state: State, reviews: Reviews = NO_REVIEWS) -> Iterator[Figure]:
    """All of them, who likes what first."""
    for measure in FIGURES.values():
        yield from measure.figures(reviews if measure.kind is Reviews else state)
