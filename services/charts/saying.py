"""Charts as they are said: those that changed, to charts.v1 and Redis, beside the loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from redis.asyncio import Redis

from services.charts.counts import ChartKey
from services.charts.periods import name_of
from services.charts.settings import ChartsSettings
from services.charts.task import ChartsTask
from shared import redis_keys
from shared.background import BackgroundJob
from shared.events import rfc3339
from shared.frames import Output
from shared.idempotent_redis import Command
from shared.partitions import Partition
from shared.stage import Send
from shared.topics import CHARTS, TRUSTED_LIKES

# Charts of one transaction.
AT_ONCE: Final = 32
# Of one offset several parts are written, each with a place of its own.
PART_BITS: Final = 16
# A series whose periods are all over for so long is no more, s.
_TTL_SECONDS: Final = 100 * 86_400

# Words: a series, and the first start that it keeps.
_KEEP_FROM: Final = """
function procedures.KEEP_FROM(series, first)
  for _, start in ipairs(redis.call('HKEYS', series)) do
    if tonumber(start) < tonumber(first) then redis.call('HDEL', series, start) end
  end
end
"""

Said = tuple[ChartKey, bytes | None]


class Saying(BackgroundJob):
    """What is said lasts only as long as Redis and the topic do; the counts are the runner's. Whoever takes the
    partition up, or finds Redis emptied, says all charts again.
    """

    def __init__(self, settings: ChartsSettings, redis: Redis, send: Send, held: Callable[[], list[Partition]]) -> None:
        super().__init__(redis, "charts-said", TRUSTED_LIKES, settings.charts_seconds, _KEEP_FROM)
        self._send, self._held = send, held
        self._size = settings.charts_size
        # Whose charts were said, and the last place that was written.
        self._of: ChartsTask | None = None
        self._place = -1

    async def work(self) -> None:
        try:
            for entry in self._held():
                await self._say_changed(entry)
        except BaseException:
            # What was not written is said again, with all else.
            self._of = None
            raise

    async def _say_changed(self, entry: Partition) -> None:
        task: ChartsTask = entry.task
        newest = await self.writer.newest(task.partition)
        if entry.offset < newest >> PART_BITS:
            # A snapshot's state, from before what was said last: it catches up first.
            return
        async with entry.between_frames:
            if task is not self._of or newest < self._place:
                task.counts.say_all()
                self._of = task
            waiting = task.changed()
        self._place = newest
        while waiting and entry in self._held():
            keys, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            async with entry.between_frames:
                offset = entry.offset
                said = await asyncio.to_thread(documents, task, keys, self._size, offset)
            if not await self._write(task, said, offset):
                # Another worker has the partition, and is ahead.
                self._of = None
                return

    async def _write(self, task: ChartsTask, said: list[Said], offset: int) -> bool:
        self._place = max(self._place + 1, offset << PART_BITS)
        if await self.writer.apply(task.partition, self._place, _commands(said, task)) != self._place:
            return False
        sent = [await self._send(output) for output in messages(said)]
        await asyncio.gather(*sent)
        return True


def chart_id(key: ChartKey) -> str:
    """`day/2026-01-05/target/language/en`; of all without the last two."""
    parts = [key.period, name_of(key.period, key.start), key.of]
    return "/".join([*parts, key.facet, key.segment] if key.facet != "all" else parts)


def messages(said: Iterable[Said]) -> list[Output]:
    """Of charts.v1; who is none any more has a tombstone."""
    return [Output(CHARTS, of or b"", 0, chart_id(key).encode(), tombstone=of is None) for key, of in said]


def documents(task: ChartsTask, keys: Iterable[ChartKey], size: int, offset: int) -> list[Said]:
    """As they are now; None of what is none any more."""
    found: list[Said] = []
    for key in keys:
        chart = task.chart(key, size)
        document = None
        if chart is not None and chart.n:
            about = {"chart_id": chart_id(key), "as_of": rfc3339(task.counts.clock), "source_offset": offset}
            document = msgspec.json.encode(about | chart.described())
        found.append((key, document))
    return found


def _commands(said: list[Said], task: ChartsTask) -> list[Command]:
    """Each series is a hash by the period's start. Those that are kept no more leave it when it is written."""
    series: dict[str, list[Said]] = defaultdict(list)
    for key, document in said:
        series[redis_keys.charts(key.period, key.of, key.facet, key.segment)].append((key, document))
    commands: list[Command] = []
    for name, of_series in series.items():
        for key, document in of_series:
            commands.append(("HDEL", name, key.start) if document is None else ("HSET", name, key.start, document))
        commands.append(("KEEP_FROM", name, task.counts.kept_from(of_series[0][0].period)))
        commands.append(("EXPIRE", name, _TTL_SECONDS))
    return commands
