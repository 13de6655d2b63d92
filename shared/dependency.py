"""Waiting for what is outside and may be away: a broker, Redis, a disk."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

log = structlog.get_logger()
T = TypeVar("T")

FIRST_DELAY_SECONDS = 0.1
MOST_DELAY_SECONDS = 5.0
ERROR_CHARACTERS = 200


class Dependency:
    """Calls what needs it until that succeeds; `error` says meanwhile why it does not, for readiness."""

    def __init__(self, name: str, *errors: type[Exception]) -> None:
        self.name = name
        self.error: str | None = None
        self._errors = errors

    async def when_available(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What `attempt` returns once it raises none of the dependency's errors, with longer pauses between."""
        delay = FIRST_DELAY_SECONDS
        while True:
            try:
                result = await attempt()
            except self._errors as error:
                self.error = f"{type(error).__name__}: {error}"[:ERROR_CHARACTERS]
                log.warning("waiting for dependency", dependency=self.name, error=self.error)
                # Jitter spreads the reconnects of many workers; it takes no part in any result.
                await asyncio.sleep(delay * random.uniform(0.5, 1.5))
                delay = min(2 * delay, MOST_DELAY_SECONDS)
            else:
                self.error = None
                return result


async def until_available(name: str, attempt: Callable[[], Awaitable[object]], stopping: asyncio.Event) -> bool:
    """Call `attempt` until it succeeds. Returns False if the service was told to stop first."""
    waiting = asyncio.create_task(Dependency(name, Exception).when_available(attempt))
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait([waiting, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if waiting.done():
        return True
    waiting.cancel()
    return False
