"""`truelike rebuild`: have the predictor write all users' predictions and all items' neighbours to Redis again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from shared import redis_connection, redis_keys
from shared.settings import ServiceSettings
from shared.topics import TRUSTED_LIKES


async def rebuild(settings: ServiceSettings, wait: float, advance: Callable[[int], None]) -> list[int]:
    """Take back the marks that say what is written, and wait for the workers to set them again. Returns the shares
    that nobody wrote within `wait` seconds. Raises RedisError.
    """
    redis: Any = redis_connection.connect(settings)
    marks = {redis_keys.source("predictions", TRUSTED_LIKES, share): share for share in range(settings.partitions)}
    deadline = time.monotonic() + wait
    try:
        await redis.delete(*marks)
        while marks and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            found = await redis.mget(list(marks))
            written = [key for key, mark in zip(marks, found, strict=True) if mark is not None and int(mark) >= 0]
            for key in written:
                del marks[key]
                advance(1)
    finally:
        await redis.aclose()
    return sorted(marks.values())
