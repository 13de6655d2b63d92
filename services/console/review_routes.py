"""A sample of actors to review, in the read API: drawn without a look at what they were called, and silent about it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field
from redis.asyncio import Redis

from services.console import reviewable
from shared import redis_keys
from shared.events import rfc3339

LARGEST: Final = reviewable.MOST // 10


class ReviewSample(BaseModel):
    """Whom to review. What they were called is not said: who knows it reviews the verdict and not the actor."""

    seed: str
    since: Annotated[str, Field(description="Event time from which actors were seen (RFC 3339)")]
    drawn_from: Annotated[int, Field(ge=0, description="How many actors it was drawn from")]
    all_seen: Annotated[
        bool,
        Field(description="Whether these are all who liked since then; else a sample of them, by their ids' hashes"),
    ]
    actors: Annotated[
        list[str], Field(description="Those whose SHA-256 of seed, NUL and id is smallest, in that order")
    ]


def router(redis: Redis) -> APIRouter:
    routes = APIRouter()
    store: Any = redis

    @routes.get("/v1/reviews/sample")
    async def sample(
        seed: Annotated[str, Query(min_length=1, max_length=64, description="The same seed draws the same actors")],
        n: Annotated[int, Query(ge=1, le=LARGEST)] = 50,
    ) -> ReviewSample:
        """Actors to review, drawn independently of their verdicts (docs/loop.md)."""
        starts = [int(start) for start in await store.zrange(redis_keys.REVIEWABLE_PERIODS, 0, -1)]
        seen = [await store.zrange(redis_keys.reviewable(start), 0, -1, withscores=True) for start in starts]
        pool = reviewable.pool(seen)
        if not pool.actors:
            raise HTTPException(404, "nobody's like was seen lately")
        found = await asyncio.to_thread(reviewable.drawn, pool.actors, seed, n)
        return ReviewSample(
            seed=seed,
            since=rfc3339(min(starts)),
            drawn_from=len(pool.actors),
            all_seen=pool.whole,
            actors=[actor.decode() for actor in found],
        )

    return routes
