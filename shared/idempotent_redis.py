"""Writes to Redis that carry the offset they came from: all of a message's effect at once, and only once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared import redis_keys
from shared.dependency import Dependency

# KEYS[1] holds the newest offset written; ARGV: offset, the offset that must be the newest so far (or nothing), the
# commands. Returns the newest offset afterwards. A command is one of Redis', or a procedure of the writer's own: what
# has to look before it writes. Commands are one argument: to send each of thousands of words for itself takes a client
# longer than Redis takes to do what they say.
# A script is atomic: a crash leaves all of it or nothing, and an older offset (a repetition, or a worker that
# was paused and woke up) is refused.
_SCRIPT: Final = """
local procedures = {}
%s
local newest = tonumber(redis.call('GET', KEYS[1]) or '-1')
if tonumber(ARGV[1]) <= newest then return newest end
if ARGV[2] ~= '' and tonumber(ARGV[2]) ~= newest then return newest end
for _, words in ipairs(cmsgpack.unpack(ARGV[3])) do
  local procedure = procedures[words[1]]
  if procedure then procedure(unpack(words, 2)) else redis.call(unpack(words)) end
end
redis.call('SET', KEYS[1], ARGV[1])
return tonumber(ARGV[1])
"""

# MessagePack's mark of a string of up to 2^32 bytes, of any encoding.
_STR_32: Final = b"\xdb"

Command = Sequence[str | bytes | int | float]


class IdempotentWriter:
    """Applies commands that follow from one message of a partition, unless they were applied before.

    `procedures` is Lua that adds functions of words to the table of that name; commands may name them.
    """

    def __init__(self, redis: Redis, reader: str, topic: str, procedures: str = "") -> None:
        self.redis = redis
        self.reader = reader
        self.topic = topic
        self.dependency = Dependency("redis", RedisError)
        self._script = redis.register_script(_SCRIPT.replace("%s", procedures))

    async def apply(self, partition: int, offset: int, commands: Sequence[Command], after: int | None = None) -> int:
        """Apply unless this offset or a later one was already, or, with `after` given, unless that is the newest so
        far: commands that add to what is there must miss nothing. Returns the newest offset that Redis has now:
        `offset` if all is well. Raises RedisError.
        """
        words = [offset, "" if after is None else after, packed(commands)]
        key = redis_keys.source(self.reader, self.topic, partition)
        return int(await self._script(keys=[key], args=words))

    async def apply_when_available(
        self, partition: int, offset: int, commands: Sequence[Command], after: int | None = None
    ) -> int:
        """Like `apply`, but waits while Redis is away."""
        return await self.dependency.when_available(lambda: self.apply(partition, offset, commands, after))

    async def newest(self, partition: int) -> int:
        """The last offset applied, -1 where there is none."""
        found = await self.redis.get(redis_keys.source(self.reader, self.topic, partition))
        return int(found) if found is not None else -1


def packed(commands: Sequence[Command]) -> bytes:
    """Commands as MessagePack, all words as strings: Redis' cmsgpack knows no binary, and Lua's numbers are doubles."""
    return msgspec.msgpack.encode([[_as_string(word) for word in command] for command in commands])


def _as_string(word: str | bytes | int | float) -> str | msgspec.Raw:
    if isinstance(word, str):
        return word
    if isinstance(word, bytes):
        return msgspec.Raw(_STR_32 + len(word).to_bytes(4, "big") + word)
    return str(word)
