"""What a frame changed, as it goes to Redis (docs/redis.md) and to `preferences.v1`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from services.predictor.json_pieces import Pieces
from services.predictor.model import VERSION, CoPreference, Rankings
from services.predictor.ranking import TOP
from shared import redis_keys
from shared.events import rfc3339
from shared.idempotent_redis import Command

I64 = npt.NDArray[np.int64]

# A script keeps Redis to itself while it runs: about 1 ms for this many users.
USERS_AT_ONCE: Final = 128

# ARGV: offset, seconds to live, what keys begin with, then ids and documents of all users in a line, and where each of
# these ends. A user written at a later offset stays as is: a worker that was paused and woke up changes nothing; a
# document begins with its offset. Keys are made here, not given: naming one for each user would take longer than
# writing it.
PUBLISH_SCRIPT: Final = """
local offset, line, ends, at = tonumber(ARGV[1]), ARGV[4], cjson.decode(ARGV[5]), 0
for k = 1, #ends, 2 do
  local key = ARGV[3] .. string.sub(line, at + 1, ends[k])
  local written = string.match(redis.call('GETRANGE', key, 0, 40), '^{"source_offset":(%d+)')
  if not written or tonumber(written) <= offset then
    redis.call('SET', key, string.sub(line, ends[k] + 1, ends[k + 1]), 'EX', ARGV[2])
  end
  at = ends[k + 1]
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


# Words beside the ids in a row of `Pieces.join`.
NOTHING, NULL, COMMA, HEAD, TAIL = range(-1, -6, -1)
_FIXED: Final = 5


class Documents:
    """Rankings as JSON: for Redis, and for `preferences.v1`."""

    def __init__(self) -> None:
        self.items = Pieces()

    def of_redis(self, basis: Basis, model: CoPreference, rankings: Rankings) -> tuple[bytes, I64]:
        """What Redis has of users (docs/redis.md): for each ranking id and document, in a line, and where each of
        these ends, shape (2n,).
        """
        items, reasons, filled = self._numbers(model, rankings)
        kind_of, stated = _stated(basis, rankings, filled)
        head = b'{"source_offset":%d,"model":"%s","as_of":"%s","targets":[' % _said_of(basis)
        words = [b"", b"null", b",", head, b"]}"]
        words += [b'],"probabilities":[' + numerals + b'],"because":[' for numerals in stated]
        users = [user.encode() for user in model.users.names(rankings.users)]
        rows = np.full((len(items), 4 * TOP + 2), NOTHING)
        rows[:, 0] = -1 - len(words) - np.arange(len(users))
        rows[:, 1], rows[:, 2 * TOP + 1], rows[:, -1] = HEAD, -1 - _FIXED - kind_of, TAIL
        for first, numbers in ((2, items), (2 * TOP + 2, reasons)):
            rows[:, first : first + 2 * TOP - 1 : 2] = numbers
            rows[:, first + 1 : first + 2 * TOP - 1 : 2] = np.where(numbers[:, 1:] != NOTHING, COMMA, NOTHING)
        line, row_ends = self.items.join(rows, words + users)
        ends = np.repeat(row_ends[1:], 2)
        ends[::2] = row_ends[:-1] + [len(user) for user in users]
        return line, ends

    def of_topic(self, basis: Basis, model: CoPreference, rankings: Rankings) -> list[bytes]:
        """A user's record in `preferences.v1` (compacted, key = user_id), for each ranking."""
        items, reasons, _ = self._numbers(model, rankings)
        kinds, kind_of = np.unique(rankings.clearness, return_inverse=True)
        offset, version, as_of = _said_of(basis)
        head = b',"model":"%s","as_of":"%s","source_offset":%d,"predictions":[' % (version, as_of, offset)
        words = [b"", b"null", b"},", head, b"]}"]
        for kind in kinds.tolist():
            words += [b',"probability":%s,"because":' % numeral for numeral in _numerals(basis.probabilities[kind])]
        begin, end, target = (-1 - len(words) - k for k in range(3))
        words += [b'{"user_id":', b"}", b'{"target_id":']
        users = [msgspec.json.encode(user) for user in model.users.names(rankings.users)]
        there = items != NOTHING
        rows = np.full((len(items), 5 * TOP + 4), NOTHING)
        rows[:, 0], rows[:, 1], rows[:, 2], rows[:, -1] = begin, -1 - len(words) - np.arange(len(users)), HEAD, TAIL
        of_place = -1 - _FIXED - (kind_of[:, None] * (TOP + 1) + rankings.places)
        for column, numbers in enumerate((np.where(there, target, NOTHING), items, np.where(there, of_place, NOTHING))):
            rows[:, 3 + column : 5 * TOP + 3 : 5] = numbers
        rows[:, 6 : 5 * TOP + 3 : 5] = reasons
        rows[:, 7 : 5 * TOP + 2 : 5] = np.where(there[:, 1:], COMMA, NOTHING)
        rows[:, -2] = np.where(there[:, 0], end, NOTHING)
        line, ends = self.items.join(rows, words + users)
        return [line[start:end] for start, end in pairwise(ends.tolist())]

    def _numbers(self, model: CoPreference, rankings: Rankings) -> tuple[I64, I64, I64]:
        """Of each place the item and the reason, shape (n, TOP), and how many places there are."""
        self.items.extend(model.items.ids)
        there = rankings.top >= 0
        reasons = np.where(rankings.because >= 0, rankings.because, NULL)
        return np.where(there, rankings.top, NOTHING), np.where(there, reasons, NOTHING), there.sum(axis=1)

    def calls(self, basis: Basis, model: CoPreference, rankings: Rankings, ttl_seconds: int) -> Iterator[Arguments]:
        """ARGV of PUBLISH_SCRIPT, USERS_AT_ONCE users a call."""
        line, ends = self.of_redis(basis, model, rankings)
        at = 0
        for start in range(0, len(ends), 2 * USERS_AT_ONCE):
            part = ends[start : start + 2 * USERS_AT_ONCE]
            bounds = msgspec.json.encode((part - at).tolist())
            yield [basis.offset, ttl_seconds, redis_keys.predictions(""), line[at : part[-1]], bounds]
            at = int(part[-1])


def _stated(basis: Basis, rankings: Rankings, filled: I64) -> tuple[I64, list[bytes]]:
    """The probabilities of rankings: few different lists of them, and which one each has, shape (n,). They depend on
    how clear and how long a ranking is, and on what a floor has moved.
    """
    kinds = rankings.clearness * (TOP + 1) + filled
    moved = (rankings.places != np.arange(TOP)).any(axis=1)
    told_apart = np.column_stack([kinds, rankings.places]) if moved.any() else kinds
    _, first, kind_of = np.unique(told_apart, axis=0, return_index=True, return_inverse=True)
    found = []
    for row in first.tolist():
        numerals = _numerals(basis.probabilities[rankings.clearness[row]])
        found.append(b",".join(numerals[place] for place in rankings.places[row, : filled[row]].tolist()))
    return kind_of, found


def _said_of(basis: Basis) -> tuple[int, bytes, bytes]:
    return basis.offset, VERSION.encode(), rfc3339(basis.as_of).encode()


def _numerals(numbers: list[float]) -> list[bytes]:
    return [msgspec.json.encode(number) for number in numbers]


def warm_up(model: CoPreference) -> None:
    """Compile what a ranking goes through."""
    Documents().of_redis(Basis(0, 0, model.probabilities()), model, model.ranked(np.zeros(1, np.int64)))


def keys_of(user_ids: Sequence[str]) -> list[str]:
    """All that Redis holds of these users' predictions."""
    return [key for user in user_ids for key in (redis_keys.predictions(user), *redis_keys.former_predictions(user))]


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
