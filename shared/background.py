"""Work beside a service's loop that is done again and again, and may take no more than its share of the time."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.idempotent_redis import IdempotentWriter

# Of the time that it may take, and how old what it found may get all the same.
SHARE: Final = 0.05
LONGEST_SECONDS: Final = 60.0


class BackgroundJob(ABC):
    """What it finds goes to Redis. While that is away it is tried again, and says so by `writer.dependency`."""

    def __init__(self, redis: Redis, reader: str, topic: str, seconds: float, procedures: str = "") -> None:
        """At least `seconds` from one time to the next; the others as of `IdempotentWriter`."""
        self.writer = IdempotentWriter(redis, reader, topic, procedures)
        self._seconds = seconds
        self._due_at = 0.0
        self._working: asyncio.Task[None] | None = None

    @abstractmethod
    async def work(self) -> None:
        """Once. Raises RedisError where that is away: all of it may be done again."""

    def look(self) -> None:
        """Begin if it is time. Raises what ended the last time."""
        if self._working is not None:
            if not self._working.done():
                return
            self._working.result()
            self._working = None
        if time.monotonic() >= self._due_at:
            self._working = asyncio.create_task(self._once())

    async def stop(self) -> None:
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])

    async def _once(self) -> None:
        began = time.monotonic()
        try:
            await self.work()
        except RedisError as error:
            self.writer.dependency.error = str(error)
        else:
            self.writer.dependency.error = None
        now = time.monotonic()
        self._due_at = now + max(self._seconds, min((now - began) / SHARE, LONGEST_SECONDS))
