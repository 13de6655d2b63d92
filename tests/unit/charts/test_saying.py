"""Charts as they are said: what changed, once; all of it where Redis lost it or another worker had it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pyarrow as pa
import pytest

from services.charts.limits import ChartLimits
from services.charts.saying import Saying
from services.charts.settings import ChartsSettings
from services.charts.task import ChartsTask
from shared.frames import Frame, Output
from shared.partitions import Partition
from shared.schemas import TRUSTED_LIKES
from tests.unit.charts.made import like, unlike

LIMITS = ChartLimits(entries=50_000, likes=1000, segments=2)


class Store:
    """What Redis and the topic were told; an older place is refused."""

    def __init__(self) -> None:
        self.newest = -1
        self.series: dict[str, dict[int, bytes]] = {}
        self.sent: list[Output] = []

    def register_script(self, _: str) -> None: ...

    def saying(self, held: list[Partition]) -> Saying:
        job = Saying(ChartsSettings(), self, self.send, lambda: held)  # type: ignore[arg-type]

        async def newest(_: int) -> int:
            return self.newest

        async def apply(_: int, place: int, commands: Any) -> int:
            if place <= self.newest:
                return self.newest
            self.newest = place
            for name, key, *words in commands:
                of = self.series.setdefault(key, {})
                if name == "HSET":
                    of[words[0]] = words[1]
                elif name == "HDEL":
                    of.pop(words[0], None)
            return place

        job.writer.newest = newest  # type: ignore[method-assign]
        job.writer.apply = apply  # type: ignore[method-assign]
        return job

    async def send(self, output: Output) -> asyncio.Future[Any]:
        self.sent.append(output)
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def names(self) -> set[str]:
        """Of what was sent since this was asked last."""
        sent, self.sent = self.sent, []
        return {(output.key or b"").decode() for output in sent}

    def chart(self, period: str) -> dict[str, Any] | None:
        of = self.series.get(f"truelike:charts:{period}:target:all:", {})
        return json.loads(next(iter(of.values()))) if of else None


def take(entry: Partition, *rows: dict[str, Any]) -> None:
    entry.offset += 1
    entry.task.process(Frame("trusted-likes", pa.RecordBatch.from_pylist(list(rows), TRUSTED_LIKES)), entry.offset)


@pytest.fixture
def entry() -> Partition:
    found = Partition(ChartsTask(0, LIMITS))
    take(found, *(like(n, f"u{n}", "song") for n in range(3)))
    return found


async def test_what_changed_is_said_once(entry: Partition) -> None:
    store = Store()
    job = store.saying([entry])
    await job.work()
    assert len(store.names()) == 6
    chart = store.chart("day")
    assert chart is not None
    assert (chart["n"], chart["revision"], chart["source_offset"]) == (3, 0, 0)
    await job.work()
    assert store.names() == set()
    take(entry, unlike(9, like(1, "u1", "song"), 1))
    await job.work()
    assert len(store.names()) == 6
    chart = store.chart("day")
    assert chart is not None
    assert (chart["n"], chart["revision"], chart["source_offset"]) == (2, 1, 1)


async def test_a_chart_of_which_nothing_is_left_has_a_tombstone(entry: Partition) -> None:
    store = Store()
    job = store.saying([entry])
    await job.work()
    store.sent.clear()
    take(entry, *(unlike(9 + n, like(n, f"u{n}", "song"), 1) for n in range(3)))
    await job.work()
    assert {output.tombstone for output in store.sent} == {True}
    assert store.chart("day") is None


async def test_an_emptied_redis_is_told_all_again(entry: Partition) -> None:
    store = Store()
    job = store.saying([entry])
    await job.work()
    store.names()
    store.newest, store.series = -1, {}
    await job.work()
    assert len(store.names()) == 6
    assert store.chart("day") is not None


async def test_who_takes_over_catches_up_before_it_says_anything(entry: Partition) -> None:
    store = Store()
    take(entry, like(5, "u5", "song"))
    await store.saying([entry]).work()
    store.names()
    behind = Partition(ChartsTask(0, LIMITS))
    take(behind, *(like(n, f"u{n}", "song") for n in range(3)))
    job = store.saying([behind])
    await job.work()
    assert store.names() == set()
    take(behind, like(5, "u5", "song"))
    await job.work()
    assert len(store.names()) == 6


async def test_who_has_lost_the_partition_says_nothing_over_its_successor(entry: Partition) -> None:
    store = Store()
    former = store.saying([entry])
    await former.work()
    store.newest += 1000
    take(entry, like(7, "u7", "song"))
    store.newest = (entry.offset + 5) << 16
    before = store.chart("day")
    await former.work()
    assert store.chart("day") == before
