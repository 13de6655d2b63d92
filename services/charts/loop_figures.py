"""What machines like of what machines made, and what that does: the loop's figures, in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import msgspec
from redis.asyncio import Redis

from services.charts.figures import FIGURES
from services.charts.periods import DAY_MS
from services.charts.review_reader import ReviewReader
from services.charts.reviews import NO_REVIEWS, Reviews
from services.charts.saying import PART_BITS
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
    """Reckoned from what likes of the last days add up to, and what reviewers found of those who gave them."""

    def __init__(
        self, settings: ChartsSettings, redis: Redis, held: Callable[[], list[Partition]], reviews: ReviewReader
    ) -> None:
        super().__init__(redis, "loop-figures", TRUSTED_LIKES, settings.charts_seconds)
        self._held, self._reviews = held, reviews
        # Of which likes and reviews they were written last, and the place that Redis had then.
        self._written: tuple[int, int] | None = None
        self._place = -1

    async def work(self) -> None:
        held = self._held()
        if held:
            await self._reviews.catch_up()
        for entry in held:
            await self._write(entry)

    async def _write(self, entry: Partition) -> None:
        task: ChartsTask = entry.task
        newest = await self.writer.newest(task.partition)
        behind = entry.offset < newest >> PART_BITS
        if behind or entry.offset < 0 or (newest == self._place and self._written == self._read(entry)):
            return
        async with entry.between_frames:
            offset, reviewed_to = self._read(entry)
            clock = task.counts.clock
            state = await asyncio.to_thread(task.tallies.state)
            judged = await asyncio.to_thread(task.tallies.judged) if len(self._reviews.table) else None
        # Nobody else reads reviews meanwhile.
        reviews = NO_REVIEWS
        if judged is not None:
            reviews = await asyncio.to_thread(judged.reviews, self._reviews.table.reviewed())
        document = await asyncio.to_thread(document_of, state, clock, task.tallies.days, reviews)
        # Reviews change them, too, while no like comes.
        place = max(newest + 1, offset << PART_BITS)
        commands = [("SET", redis_keys.PLATFORM_LOOP, document)]
        if await self.writer.apply(task.partition, place, commands) == place:
            self._written, self._place = (offset, reviewed_to), place

    def _read(self, entry: Partition) -> tuple[int, int]:
        return entry.offset, self._reviews.position

    async def stop(self) -> None:
        await super().stop()
        await self._reviews.stop()


def document_of(state: State, clock: int, days: int, reviews: Reviews = NO_REVIEWS) -> bytes:
    """What `GET /v1/loop` answers (shared.messages.PlatformLoop)."""
    first, last = (min(state.days), max(state.days)) if state.days else (0, 0)
    window = (first * DAY_MS, min((last + 1) * DAY_MS - 1, clock))
    return msgspec.json.encode(
        {
            "as_of": rfc3339(clock),
            "days": days,
            "figures": [figure.described(window) for figure in figures_of(state, reviews)],
        }
    )


def figures_of(state: State, reviews: Reviews = NO_REVIEWS) -> Iterator[Figure]:
    """All of them, who likes what first."""
    for measure in FIGURES.values():
        yield from measure.figures(reviews if measure.kind is Reviews else state)
