"""Windows in the read API: how many were judged, by label."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from redis.asyncio import Redis

from services.console.window_view import MOST_WINDOWS
from shared import redis_keys
from shared.labels import LABELS
from shared.messages import Ms


class Window(BaseModel):
    window_start: Ms
    window_end: Ms
    actors: Annotated[dict[str, int], Field(description="Actors who liked in the window, by label")]
    likes: Annotated[dict[str, int], Field(description="Their likes, by label")]


class Windows(BaseModel):
    windows: Annotated[list[Window], Field(description="Latest first")]


def added(summaries: list[dict[str, Any]]) -> Window:
    """The window of which these are the partitions' parts."""

    def total(of: str) -> dict[str, int]:
        return {label: sum(s[of].get(label, 0) for s in summaries) for label in LABELS}

    first = summaries[0]
    return Window(
        window_start=first["window_start"],
        window_end=max(s["window_end"] for s in summaries),
        actors=total("actors"),
        likes=total("likes"),
    )


def router(redis: Redis) -> APIRouter:
    routes = APIRouter(prefix="/v1/windows")
    store: Any = redis

    @routes.get("")
    async def windows(limit: Annotated[int, Query(ge=1, le=MOST_WINDOWS)] = 48) -> Windows:
        """How many actors and likes were judged in each of the latest windows of event time, by label."""
        starts = await store.zrevrange(redis_keys.WINDOWS, 0, limit - 1)
        async with store.pipeline(transaction=False) as all_of_them:
            for start in starts:
                all_of_them.hvals(redis_keys.window(int(start)))
            parts = await all_of_them.execute() if starts else []
        # One that has gone since it was listed has no parts.
        return Windows(windows=[added([msgspec.json.decode(v) for v in of_window]) for of_window in parts if of_window])

    return routes
