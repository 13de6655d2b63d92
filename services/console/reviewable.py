"""Actors who may be reviewed, in Redis: of those who liked lately the ones whose ids' hashes are smallest. Pure.

Neither what an actor did nor what it was called moves a hash: a sample of all, bounded, the same whatever came first
(bottom-k: Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007). Who declares to be an agent is not
judged, and not reviewed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared import redis_keys
from shared.events import ACTIONS
from shared.hashing import hash_strings
from shared.idempotent_redis import Command
from shared.labels import AGENT

# Seen lately is seen in the newest period of event time, or in the one before.
PERIOD_MS: Final = 14 * 86_400_000
KEPT_PERIODS: Final = 2
# Of each period; the largest sample has a tenth of them.
MOST: Final = 10_000
TTL_SECONDS: Final = 30 * 86400
# Words that a script may unpack are bounded (Lua's stack).
ACTORS_AT_ONCE: Final = 1000
# What Redis keeps of a hash: a score is a double.
_SCORE_BITS: Final = 53
_LIKE: Final = ACTIONS.index("like")

# Most of those who are seen are not among the smallest, so that a period's are one word, ascending: no id holds a NUL.
PROCEDURES: Final = f"""
local function pool_of(start) return string.sub('{redis_keys.reviewable(0)}', 1, -2) .. start end
procedures['reviewable.seen'] = function(start, seen)
  local periods, pool = '{redis_keys.REVIEWABLE_PERIODS}', pool_of(start)
  local last = redis.call('ZRANGE', pool, {MOST - 1}, {MOST - 1}, 'WITHSCORES')[2]
  for score, actor in string.gmatch(seen, '(%d+)%z([^%z]+)%z') do
    if last and tonumber(score) > tonumber(last) then break end
    redis.call('ZADD', pool, score, actor)
  end
  redis.call('ZREMRANGEBYRANK', pool, {MOST}, -1)
  redis.call('EXPIRE', pool, {TTL_SECONDS})
  redis.call('ZADD', periods, start, start)
  redis.call('EXPIRE', periods, {TTL_SECONDS})
  for _, old in ipairs(redis.call('ZRANGE', periods, 0, -{KEPT_PERIODS + 1})) do
    redis.call('DEL', pool_of(old))
    redis.call('ZREM', periods, old)
  end
end
procedures['reviewable.forget'] = function(...)
  for _, start in ipairs(redis.call('ZRANGE', '{redis_keys.REVIEWABLE_PERIODS}', 0, -1)) do
    redis.call('ZREM', pool_of(start), ...)
  end
end
"""


def of_likes(likes: pa.RecordBatch) -> list[Command]:
    """Of rows of trusted-likes.v1."""
    first = pc.and_(pc.is_null(likes.column("previous_label")), pc.equal(likes.column("action"), _LIKE))
    mine = pc.and_(first, pc.not_equal(likes.column("label"), AGENT)).fill_null(False)
    starts = likes.column("occurred_at").filter(mine).to_numpy() // PERIOD_MS * PERIOD_MS
    actors = likes.column("actor_id").filter(mine)
    periods = np.unique(starts).tolist()
    return [("reviewable.seen", start, _seen(actors.filter(pa.array(starts == start)))) for start in periods]


def _seen(actors: pa.Array) -> str:
    names = actors.unique()
    scores = hash_strings(names) >> np.uint64(64 - _SCORE_BITS)
    first = np.argsort(scores, kind="stable")[:MOST]
    pairs = zip(scores[first].tolist(), names.take(pa.array(first)).to_pylist(), strict=True)
    return "".join(f"{score}\0{actor}\0" for score, actor in pairs)


def of_forgotten(user_ids: Sequence[str]) -> list[Command]:
    return [
        ("reviewable.forget", *user_ids[at : at + ACTORS_AT_ONCE]) for at in range(0, len(user_ids), ACTORS_AT_ONCE)
    ]


@dataclass(frozen=True)
class Pool:
    """`actors`: of all who were seen those whose hashes are smallest; `whole`: these are all."""

    actors: frozenset[bytes]
    whole: bool


def pool(periods: Sequence[Sequence[tuple[bytes, float]]]) -> Pool:
    """Of each period its actors with their hashes, ascending. Where one is full the others are cut as it was: who was
    seen when must make nobody likelier.
    """
    full = [period[-1][1] for period in periods if len(period) >= MOST]
    most = min(full, default=math.inf)
    return Pool(frozenset(actor for period in periods for actor, score in period if score <= most), not full)


def drawn(actors: Iterable[bytes], seed: str, n: int) -> list[bytes]:
    """The `n` of these whose SHA-256 of seed, NUL and id is smallest, in that order: whoever has the seed draws them
    again.
    """
    return sorted(actors, key=lambda actor: hashlib.sha256(seed.encode() + b"\0" + actor).digest())[:n]
