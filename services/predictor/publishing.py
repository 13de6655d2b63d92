"""What a frame changed, as it goes to Redis (docs/redis.md) and to `preferences.v1`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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

# ARGV: offset, seconds to live, what keys begin with, then for all users id and document, which begins with its offset.
# A user written at a later offset stays as is: a worker that was paused and woke up changes nothing. Keys are made
# here, not given: naming one for each user would take longer than writing it.
PUBLISH_SCRIPT: Final = """
local offset = tonumber(ARGV[1])
for k = 4, #ARGV, 2 do
  local key = ARGV[3] .. ARGV[k]
  local written = string.match(redis.call('GETRANGE', key, 0, 40), '^{"source_offset":(%d+)')
  if not written or tonumber(written) <= offset then
    redis.call('SET', key, ARGV[k + 1], 'EX', ARGV[2])
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


# Words beside the ids in a row of `Pieces.join`.
NOTHING, NULL, COMMA, HEAD, TAIL, SEPARATOR = range(-1, -7, -1)
_FURTHER: Final = -7


class Documents:
    """Rankings as JSON: for Redis, and for `preferences.v1`."""

    def __init__(self) -> None:
        self.items = Pieces()

    def of_redis(self, basis: Basis, model: CoPreference, rankings: Rankings) -> list[bytes]:
        """What Redis has of a user (docs/redis.md), for each ranking."""
        items, reasons, filled = self._numbers(model, rankings)
        # The probabilities of a ranking depend on how clear and how long it is: few different ones.
        kinds, kind_of = np.unique(rankings.clearness * (TOP + 1) + filled, return_inverse=True)
        stated = [_numerals(basis.probabilities[kind // (TOP + 1)][: kind % (TOP + 1)]) for kind in kinds.tolist()]
        head = b'{"source_offset":%d,"model":"%s","as_of":"%s","targets":[' % _said_of(basis)
        words = [b"", b"null", b",", head, b"]}", b""]
        words += [b'],"probabilities":[' + b",".join(numerals) + b'],"because":[' for numerals in stated]
        rows = np.full((len(items), 4 * TOP + 1), NOTHING)
        rows[:, 0], rows[:, 2 * TOP], rows[:, 4 * TOP] = HEAD, _FURTHER - kind_of, TAIL
        for first, numbers in ((1, items), (2 * TOP + 1, reasons)):
            rows[:, first : first + 2 * TOP - 1 : 2] = numbers
            rows[:, first + 1 : first + 2 * TOP - 1 : 2] = np.where(numbers[:, 1:] != NOTHING, COMMA, NOTHING)
        return self.items.join(rows, words)

    def of_topic(self, basis: Basis, model: CoPreference, rankings: Rankings) -> list[bytes]:
        """A user's record in `preferences.v1` (compacted, key = user_id), for each ranking."""
        items, reasons, _ = self._numbers(model, rankings)
        kinds, kind_of = np.unique(rankings.clearness, return_inverse=True)
        offset, version, as_of = _said_of(basis)
        head = b',"model":"%s","as_of":"%s","source_offset":%d,"predictions":[' % (version, as_of, offset)
        words = [b"", b"null", b",", head, b"]}", b'},{"target_id":']
        for kind in kinds.tolist():
            words += [b',"probability":%s,"because":' % numeral for numeral in _numerals(basis.probabilities[kind])]
        begin, end = len(words), len(words) + 1
        words += [b'{"target_id":', b"}"]
        there = items != NOTHING
        rows = np.full((len(items), 4 * TOP + 3), NOTHING)
        rows[:, 0], rows[:, -1] = HEAD, TAIL
        rows[:, 1 : 4 * TOP : 4] = np.where(there, SEPARATOR, NOTHING)
        rows[:, 1] = np.where(there[:, 0], -1 - begin, NOTHING)
        rows[:, 2 : 4 * TOP : 4] = items
        rows[:, 3 : 4 * TOP : 4] = np.where(there, _FURTHER - (kind_of[:, None] * TOP + np.arange(TOP)), NOTHING)
        rows[:, 4 : 4 * TOP + 1 : 4] = reasons
        rows[:, -2] = np.where(there[:, 0], -1 - end, NOTHING)
        users = model.users.names(rankings.users)
        joined = self.items.join(rows, words)
        return [b'{"user_id":' + msgspec.json.encode(user) + rest for user, rest in zip(users, joined, strict=True)]

    def _numbers(self, model: CoPreference, rankings: Rankings) -> tuple[I64, I64, I64]:
        """Of each place the item and the reason, shape (n, TOP), and how many places there are."""
        self.items.extend(model.items.ids)
        there = rankings.top >= 0
        reasons = np.where(rankings.because >= 0, rankings.because, NULL)
        return np.where(there, rankings.top, NOTHING), np.where(there, reasons, NOTHING), there.sum(axis=1)

    def calls(self, basis: Basis, model: CoPreference, rankings: Rankings, ttl_seconds: int) -> Iterator[Arguments]:
        """ARGV of PUBLISH_SCRIPT, USERS_AT_ONCE users a call."""
        users, documents = model.users.names(rankings.users), self.of_redis(basis, model, rankings)
        for start in range(0, len(users), USERS_AT_ONCE):
            arguments: Arguments = [basis.offset, ttl_seconds, redis_keys.predictions("")]
            part = slice(start, start + USERS_AT_ONCE)
            for user, document in zip(users[part], documents[part], strict=True):
                arguments += (user, document)
            yield arguments


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
