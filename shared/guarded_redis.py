"""Writes to Redis that carry the offset they came from: all of a message's effect at once, and only once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared import redis_keys

log = structlog.get_logger()
T = TypeVar("T")

# KEYS[1] holds the newest offset written; ARGV: offset, then commands, each as its length and its words.
# A script is atomic: a crash leaves all of it or nothing, and an older offset (a repetition, or a worker that
# was paused and woke up) is refused.
_SCRIPT: Final = """
local newest = tonumber(redis.call('GET', KEYS[1]) or '-1')
if tonumber(ARGV[1]) <= newest then return 0 end
local at = 2
while at <= #ARGV do
  local size = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + size))
  at = at + size + 1
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
"""

Command = Sequence[str | bytes | int | float]


class GuardedWriter:
    """Applies commands that follow from one message of a partition, unless they were applied before."""

    def __init__(self, redis: Redis, reader: str, topic: str) -> None:
        self.redis = redis
        self.reader = reader
        self.topic = topic
        self.error: str | None = None
        self._script = redis.register_script(_SCRIPT)

    async def apply(self, partition: int, offset: int, commands: Sequence[Command]) -> bool:
        """True if written, False if this offset or a later one was already. Raises RedisError."""
        words: list[str | bytes | int | float] = [offset]
        for command in commands:
            words.append(len(command))
            words.extend(command)
        key = redis_keys.source(self.reader, self.topic, partition)
        return bool(await self._script(keys=[key], args=words))

    async def apply_when_available(self, partition: int, offset: int, commands: Sequence[Command]) -> bool:
        """Like `apply`, but waits while Redis is away."""
        return await self.when_available(lambda: self.apply(partition, offset, commands))

    async def when_available(self, write: Callable[[], Awaitable[T]]) -> T:
        """Call `write` until Redis has it, with jitter between; `error` says why meanwhile."""
        delay = 0.1
        while True:
            try:
                written = await write()
            except RedisError as error:
                self.error = str(error)[:200]
                log.warning("waiting for dependency", dependency="redis", error=self.error)
                await asyncio.sleep(delay * random.uniform(0.5, 1.5))
                delay = min(2 * delay, 5.0)
            else:
                self.error = None
                return written

    async def newest(self, partition: int) -> int:
        """The last offset applied, -1 where there is none."""
        found = await self.redis.get(redis_keys.source(self.reader, self.topic, partition))
        return int(found) if found is not None else -1
