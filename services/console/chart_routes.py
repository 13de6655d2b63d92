"""Charts in the read API: by all likes beside by people's; and the loop that they are part of."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query
from redis.asyncio import Redis

from shared import redis_keys
from shared.contract.times import epoch_ms
from shared.messages import Chart, ChartOf, ChartPeriod, PlatformLoop

NOT_YET: Final = "no likes have been counted yet"
At = Annotated[
    str | None,
    Query(
        max_length=40, description="A moment in the period wanted (RFC 3339, or ms since the epoch); else the latest"
    ),
]
Segment = Annotated[str, Query(max_length=128)]


def router(redis: Redis) -> APIRouter:
    routes = APIRouter()
    store: Any = redis

    @routes.get("/v1/charts")
    async def charts(
        period: ChartPeriod = "day",
        of: ChartOf = "target",
        language: Segment = "",
        topic: Segment = "",
        at: At = None,
    ) -> Chart:
        """What was liked most in an hour, a day or a week, by all likes and by people's; of one language or topic."""
        if language and topic:
            raise HTTPException(422, "language, topic: a chart is of one of them; leave the other out")
        facet = "language" if language else "topic" if topic else "all"
        name = redis_keys.charts(period, of, facet, language.lower() or topic)
        starts = sorted(int(start) for start in await store.hkeys(name))
        moment = _moment(at)
        start = max((start for start in starts if moment is None or start <= moment), default=None)
        document = await store.hget(name, start) if start is not None else None
        chart = Chart.model_validate_json(document) if document is not None else None
        if chart is None or (moment is not None and moment >= epoch_ms(chart.ends_at)):
            when = f"that {period}" if at else f"any {period} that is kept"
            raise HTTPException(404, f"there is no such chart of {when}: nothing was counted in it")
        return chart

    @routes.get("/v1/loop")
    async def loop() -> PlatformLoop:
        """Who likes what: machines and people, what AI and people made; what a model would learn of that; languages."""
        document = await redis.get(redis_keys.PLATFORM_LOOP)
        if document is None:
            raise HTTPException(404, NOT_YET)
        return PlatformLoop.model_validate_json(document)

    return routes


def _moment(at: str | None) -> int | None:
    """Ms since the epoch. Raises HTTPException 422 with what is wrong."""
    try:
        return None if at is None else epoch_ms(at)
    except ValueError as error:
        raise HTTPException(422, f"at: {error}") from error
