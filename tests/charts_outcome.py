"""Charts and the loop's figures of a run, from where users read them, and what an undisturbed run over the same log
says.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from services.charts.loop_figures import document_of
from services.charts.review_table import ReviewTable
from services.charts.runner import limits_of
from services.charts.saying import chart_id
from services.charts.settings import ChartsSettings
from services.charts.task import ChartsTask
from shared import redis_connection, redis_keys
from shared.settings import ServiceSettings
from shared.topics import CHARTS, REVIEWS, TRUSTED_LIKES
from tests.topics import read_frames, read_topic

# What depends on when it was said.
OF_THE_MOMENT = ("as_of", "source_offset", "revision")


@dataclass
class ChartsOutcome:
    """Charts by id, each without what is of the moment; the loop's figures."""

    charts: dict[str, dict[str, Any]] = field(default_factory=dict)
    in_topic: dict[str, dict[str, Any]] = field(default_factory=dict)
    loop: dict[str, Any] | None = None

    def beside(self, expected: ChartsOutcome) -> Iterator[tuple[str, Any, Any]]:
        """What, as found, as expected."""
        yield "charts in Redis", self.charts, expected.charts
        yield "charts.v1", self.in_topic, expected.in_topic
        yield "the loop's figures", self.loop, expected.loop


async def settled(settings: ServiceSettings, seconds: float = 180) -> tuple[ChartsOutcome, ChartsOutcome]:
    """What is found and what is expected, of a platform at rest: charts are said now and then."""
    expected, looks = await undisturbed(settings), 0
    while (found := await read(settings)) != expected and looks < seconds:
        await asyncio.sleep(1)
        looks += 1
    return found, expected


async def read(settings: ServiceSettings) -> ChartsOutcome:
    found = ChartsOutcome()
    redis: Any = redis_connection.connect(settings)
    try:
        async for key in redis.scan_iter(f"{redis_keys.PREFIX}charts:*", count=1000):
            for document in (await redis.hgetall(key)).values():
                found.charts |= _lasting(json.loads(document))
        document = await redis.get(redis_keys.PLATFORM_LOOP)
        found.loop = json.loads(document) if document else None
    finally:
        await redis.aclose()
    newest = {record.key: record.value for record in await read_topic(settings, CHARTS)}
    for value in newest.values():
        if value is not None:
            found.in_topic |= _lasting(json.loads(value))
    return found


async def undisturbed(settings: ServiceSettings) -> ChartsOutcome:
    """Of the very same trusted-likes.v1, by one task that never stopped."""
    own = ChartsSettings(**settings.model_dump(include=set(ServiceSettings.model_fields)))
    task = ChartsTask(0, limits_of(own), own.charts_days)
    frames, _ = await read_frames(settings, TRUSTED_LIKES)
    for offset, frame in frames:
        task.process(frame, offset)
    found = ChartsOutcome()
    for key in task.counts.charts():
        chart = task.chart(key, own.charts_size)
        if chart is not None and chart.n:
            about = {"chart_id": chart_id(key)} | chart.described()
            found.charts |= _lasting(json.loads(msgspec.json.encode(about)))
    found.in_topic = found.charts
    table = ReviewTable(own.charts_reviews)
    table.take([(record.key, record.value) for record in await read_topic(settings, REVIEWS)])
    reviews = task.tallies.judged().reviews(table.reviewed())
    found.loop = json.loads(document_of(task.tallies.state(), task.counts.clock, task.tallies.days, reviews))
    return found


def _lasting(chart: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {chart["chart_id"]: {name: value for name, value in chart.items() if name not in OF_THE_MOMENT}}
