"""What a frame changed, as it goes to Redis (docs/redis.md) and to `preferences.v1`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from numba import njit

from services.predictor.model import VERSION, CoPreference, Prediction, Rankings
from shared import redis_keys
from shared.events import rfc3339
from shared.idempotent_redis import Command

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]

# A script keeps Redis to itself while it runs: about 3 ms for this many users.
USERS_AT_ONCE: Final = 128

# ARGV: offset, model, as of, seconds to live, probabilities of the places by clearness as JSON, what keys begin with,
# then for all users [[id, clearness from 0, items, because], ...]. A user written at a later offset stays as is: a
# worker that was paused and woke up changes nothing. Keys are made here, not given: naming two for each user would
# take longer than all the rest.
PUBLISH_SCRIPT: Final = """
local offset, probabilities, users = tonumber(ARGV[1]), cjson.decode(ARGV[5]), cjson.decode(ARGV[8])
for u = 1, #users do
  local hash, next_likes = ARGV[6] .. users[u][1], ARGV[7] .. users[u][1]
  if (tonumber(redis.call('HGET', hash, 'source_offset')) or -1) <= offset then
    local stated, items, members = probabilities[users[u][2] + 1], users[u][3], {}
    for k = 1, #items do
      members[2 * k - 1], members[2 * k] = stated[k], items[k]
    end
    redis.call('DEL', next_likes)
    if #items > 0 then
      redis.call('ZADD', next_likes, unpack(members))
      redis.call('EXPIRE', next_likes, ARGV[4])
    end
    redis.call('HSET', hash, 'model', ARGV[2], 'as_of', ARGV[3], 'source_offset', offset, 'because', users[u][4])
    redis.call('EXPIRE', hash, ARGV[4])
  end
end
"""

# KEYS: the marks of shares. ARGV: the offset up to which all of the share's users are written, then each mark as it was
# before they were. A mark that is gone or lower by now means that Redis was emptied, or the mark set back, while they
# were written: it stays, so that all are written again. A mark never falls.
MARK_SCRIPT: Final = """
for k, mark in ipairs(KEYS) do
  local now = tonumber(redis.call('GET', mark))
  if now and now >= tonumber(ARGV[k + 1]) and now < tonumber(ARGV[1]) then
    redis.call('SET', mark, ARGV[1])
  end
end
"""


Arguments = list[str | bytes | int]


@dataclass(frozen=True)
class Basis:
    """What rankings follow from: the log up to `offset`, event time up to `as_of` (ms), and the probabilities of
    places by clearness.
    """

    offset: int
    as_of: int
    probabilities: list[list[float]]


class Pieces:
    """Ids as pieces of JSON, made once an id, in one array with where each ends: a payload is then pieces in a line,
    joined in compiled code. A piece is the quoted id; `escaped`, the same as it stands inside a JSON string.
    """

    def __init__(self, escaped: bool = False) -> None:
        self.escaped = escaped
        self.data: U8 = np.zeros(1024, np.uint8)
        self.ends: I64 = np.zeros(1024, np.int64)
        self.count = 0
        self.longest = 0

    def extend(self, ids: list[str]) -> None:
        """Make the pieces of the ids that are new since the last call."""
        new = [msgspec.json.encode(identifier) for identifier in ids[self.count :]]
        if self.escaped:
            new = [msgspec.json.encode(piece.decode())[1:-1] for piece in new]
        if not new:
            return
        start = int(self.ends[self.count])
        ends = np.cumsum([len(piece) for piece in new]) + start
        if len(ids) >= len(self.ends):
            self.ends = np.pad(self.ends, (0, len(ids)))
        if ends[-1] > len(self.data):
            self.data = np.pad(self.data, (0, int(ends[-1])))
        self.data[start : ends[-1]] = np.frombuffer(b"".join(new), np.uint8)
        self.ends[self.count + 1 : len(ids) + 1] = ends
        self.count = len(ids)
        self.longest = max(self.longest, *map(len, new))


class Payloads:
    """Rankings as the JSON that PUBLISH_SCRIPT takes."""

    def __init__(self) -> None:
        self.users, self.items, self.reasons = Pieces(), Pieces(), Pieces(escaped=True)

    def rows(self, model: CoPreference, rankings: Rankings) -> tuple[U8, I64]:
        """For each ranking `[id,clearness,[items],"[because]"],`, one after the other, and where each ends."""
        self.users.extend(model.users.ids)
        self.items.extend(model.items.ids)
        self.reasons.extend(model.items.ids)
        count, places = rankings.top.shape
        # A piece of each place, a comma behind it, and what stands around them.
        longest = self.users.longest + (self.items.longest + self.reasons.longest + 2 + len("null")) * places + 32
        out, row_ends = np.empty(count * longest, np.uint8), np.zeros(count + 1, np.int64)
        arrays = rankings.users, rankings.top, rankings.because, rankings.clearness
        pieces = (self.users.data, self.users.ends), (self.items.data, self.items.ends)
        _join_rows(*arrays, *pieces, (self.reasons.data, self.reasons.ends), NULL, out, row_ends)
        return out, row_ends

    def calls(self, basis: Basis, model: CoPreference, rankings: Rankings, ttl_seconds: int) -> Iterator[Arguments]:
        """ARGV of PUBLISH_SCRIPT, USERS_AT_ONCE users a call."""
        common: Arguments = [basis.offset, VERSION, rfc3339(basis.as_of), ttl_seconds]
        common += [msgspec.json.encode(basis.probabilities), redis_keys.user(""), redis_keys.next_likes("")]
        rows, ends = self.rows(model, rankings)
        for start in range(0, len(rankings.users), USERS_AT_ONCE):
            stop = min(len(rankings.users), start + USERS_AT_ONCE)
            yield [*common, b"[" + rows[ends[start] : ends[stop] - 1].tobytes() + b"]"]


NULL: Final = np.frombuffer(b"null", np.uint8)


@njit(cache=True)
def _put(out: Any, at: int, data: Any, start: int, stop: int) -> int:
    for k in range(start, stop):
        out[at] = data[k]
        at += 1
    return at


@njit(cache=True)
def _join_rows(
    users: Any,
    top: Any,
    because: Any,
    clearness: Any,
    user: Any,
    item: Any,
    reason: Any,
    null: Any,
    out: Any,
    row_ends: Any,
) -> None:
    at = 0
    for row in range(len(top)):
        out[at] = 91  # [
        at = _put(out, at + 1, user[0], user[1][users[row]], user[1][users[row] + 1])
        out[at] = 44  # ,
        at += 1
        if clearness[row] >= 10:
            out[at] = 48 + clearness[row] // 10
            at += 1
        out[at], out[at + 1], out[at + 2] = 48 + clearness[row] % 10, 44, 91  # ,[
        at += 3
        for k in range(top.shape[1]):
            number = top[row, k]
            if number < 0:
                break
            if k > 0:
                out[at] = 44
                at += 1
            at = _put(out, at, item[0], item[1][number], item[1][number + 1])
        out[at], out[at + 1], out[at + 2], out[at + 3] = 93, 44, 34, 91  # ],"[
        at += 4
        for k in range(top.shape[1]):
            if top[row, k] < 0:
                break
            if k > 0:
                out[at] = 44
                at += 1
            number = because[row, k]
            if number >= 0:
                at = _put(out, at, reason[0], reason[1][number], reason[1][number + 1])
            else:
                at = _put(out, at, null, 0, len(null))
        out[at], out[at + 1], out[at + 2], out[at + 3] = 93, 34, 93, 44  # ]"],
        at += 4
        row_ends[row + 1] = at


def warm_up(model: CoPreference) -> None:
    """Compile what a ranking goes through."""
    Payloads().rows(model, model.ranked(np.zeros(1, np.int64)))


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
