"""What a frame changed, as it goes to Redis (docs/redis.md) and to `preferences.v1`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from services.predictor.model import VERSION, Prediction
from shared import redis_keys
from shared.events import rfc3339
from shared.guarded_redis import Command

# A script keeps Redis to itself while it runs: about 3 ms for this many users.
USERS_AT_ONCE: Final = 128

# KEYS: each user's hash, then their sorted set. ARGV: offset, model, as of, seconds to live, probabilities of the
# places by clearness as JSON, then for all users [[clearness from 0, items, because], ...]. A user written at
# a later offset stays as is: a worker that was paused and woke up changes nothing.
PUBLISH_SCRIPT: Final = """
local offset, probabilities, users = tonumber(ARGV[1]), cjson.decode(ARGV[5]), cjson.decode(ARGV[6])
local written = 0
for u = 1, #users do
  local hash, next_likes = KEYS[2 * u - 1], KEYS[2 * u]
  if (tonumber(redis.call('HGET', hash, 'source_offset')) or -1) <= offset then
    local stated, items, members = probabilities[users[u][1] + 1], users[u][2], {}
    for k = 1, #items do
      members[2 * k - 1], members[2 * k] = stated[k], items[k]
    end
    redis.call('DEL', next_likes)
    if #items > 0 then
      redis.call('ZADD', next_likes, unpack(members))
      redis.call('EXPIRE', next_likes, ARGV[4])
    end
    redis.call('HSET', hash, 'model', ARGV[2], 'as_of', ARGV[3], 'source_offset', offset, 'because', users[u][3])
    redis.call('EXPIRE', hash, ARGV[4])
    written = written + 1
  end
end
return written
"""


# KEYS: the marks of shares. ARGV: the offset up to which all of the share's users are written. A mark never falls.
MARK_SCRIPT: Final = """
for _, mark in ipairs(KEYS) do
  if (tonumber(redis.call('GET', mark)) or -1) < tonumber(ARGV[1]) then
    redis.call('SET', mark, ARGV[1])
  end
end
"""


@dataclass(frozen=True)
class Basis:
    """What rankings follow from: the log up to `offset`, event time up to `as_of` (ms), and the probabilities of
    places by clearness.
    """

    offset: int
    as_of: int
    probabilities: list[list[float]]


def user_writes(
    basis: Basis, predictions: Sequence[Prediction], ttl_seconds: int
) -> Iterator[tuple[list[str], list[str | bytes | int]]]:
    """KEYS and ARGV of PUBLISH_SCRIPT, USERS_AT_ONCE users a call."""
    common: list[str | bytes | int] = [basis.offset, VERSION, rfc3339(basis.as_of), ttl_seconds]
    probabilities = msgspec.json.encode(basis.probabilities)
    encode = msgspec.json.Encoder().encode
    for start in range(0, len(predictions), USERS_AT_ONCE):
        part = predictions[start : start + USERS_AT_ONCE]
        keys = [key for p in part for key in (redis_keys.user(p.user_id), redis_keys.next_likes(p.user_id))]
        users = encode([(p.clearness, p.items, encode(p.because).decode()) for p in part])
        yield keys, [*common, probabilities, users]


def keys_of(user_ids: Sequence[str]) -> list[str]:
    """All that Redis holds of these users' predictions."""
    return [key for user in user_ids for key in (redis_keys.user(user), redis_keys.next_likes(user))]


def _sorted_set(key: str, members: list[tuple[str, float]], ttl_seconds: int) -> list[Command]:
    scored = [word for member, score in members for word in (f"{score:.6g}", member)]
    found: list[Command] = [("DEL", key)]
    return [*found, ("ZADD", key, *scored), ("EXPIRE", key, ttl_seconds)] if members else found


def neighbour_commands(neighbours: dict[str, list[tuple[str, float]]], ttl_seconds: int) -> list[Command]:
    """Items' neighbours, as they are now."""
    return [c for item, near in neighbours.items() for c in _sorted_set(redis_keys.neighbours(item), near, ttl_seconds)]


def summary_commands(
    trending: dict[str, list[tuple[str, float]]], figures: dict[str, Any], ttl_seconds: int
) -> list[Command]:
    """What the predictor says of all likes, once a snapshot: what is trending by language, the figures."""
    found: list[Command] = [("SET", redis_keys.FIGURES, msgspec.json.encode(figures))]
    for language, items in trending.items():
        found += _sorted_set(redis_keys.trending(language), items, ttl_seconds)
    return found


def preference(basis: Basis, prediction: Prediction) -> bytes:
    """A user's record in `preferences.v1` (compacted, key = user_id)."""
    stated = basis.probabilities[prediction.clearness]
    rows = zip(prediction.items, stated, prediction.because, strict=False)
    return msgspec.json.encode(
        {
            "user_id": prediction.user_id,
            "model": VERSION,
            "as_of": rfc3339(basis.as_of),
            "source_offset": basis.offset,
            "predictions": [{"target_id": t, "probability": p, "because": b} for t, p, b in rows],
        }
    )
