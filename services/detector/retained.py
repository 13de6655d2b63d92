"""Trusted likes as published, kept compressed so that a later verdict can correct their weights."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from shared import frames, schemas
from shared.checkpoints import Arrays, pack_blobs, unpack_blobs
from shared.hashing import U64, hash_strings
from shared.slots import SlotTable
from shared.watermark import UNKNOWN

I64 = npt.NDArray[np.int64]

# The newest likes are kept as they came, until so many are compressed together: to look into many small parts takes
# longer than into one.
COMPRESSED: Final = 4096
# Of the newest parts, those that were asked for stay decoded: a campaign's likes lie in few of them. Of an older one
# only what is asked for is decoded, each time: who is accused again and again may have likes in all there are, and what
# was used longest ago would then always be what is asked for next.
DECODED: Final = 48
_FIELDS: Final = {"actor": np.uint64, "target": np.uint64, "time": np.int64, "previous": np.int64, "agent": np.bool_}


@njit(cache=True)
def _chain(slots: Any, newest: Any, first: int, previous: Any) -> None:
    """Each like points at the one before it of its actor."""
    size = len(previous)
    for i in range(len(slots)):
        previous[(first + i) % size] = newest[slots[i]]
        newest[slots[i]] = first + i


@njit(cache=True)
def _walk(newest: Any, previous: Any, times: Any, oldest: int, since_ms: int, owner: Any, found: Any) -> int:
    size, n = len(previous), 0
    for i in range(len(newest)):
        at = newest[i]
        while at > oldest:
            if n == len(found):
                return -1
            owner[n], found[n] = i, at
            # However likes came together in parts: an old one may have newer ones beside it.
            n += times[at % size] >= since_ms
            at = previous[at % size]
    return n


@dataclass
class _Part:
    """Content of the likes numbered `first` to `last`, compressed once they are many; `latest_ms`: the latest of their
    times.
    """

    first: int
    last: int
    latest_ms: int
    content: bytes | pa.RecordBatch

    @property
    def rows(self) -> int:
        return self.last - self.first + 1

    @property
    def loose(self) -> bool:
        return not isinstance(self.content, bytes)

    def batch(self) -> pa.RecordBatch:
        return frames.decode(self.content) if isinstance(self.content, bytes) else self.content

    def encoded(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else frames.encode(self.content)

    def columns(self, names: Sequence[str]) -> pa.RecordBatch:
        """These columns at least."""
        if isinstance(self.content, bytes):
            return frames.decode_columns(self.content, schemas.TRUSTED_LIKES, names)
        return self.content


class RetainedLikes:
    """At most `max_likes` rows (schema `schemas.TRUSTED_LIKES`, as first published), the newest, numbered from 1. What
    each of them counts for now is its stamp (`fusion.stamp`).
    """

    def __init__(self, max_likes: int) -> None:
        self.max_likes = max_likes
        self.count = 0
        self.oldest = 0
        self.evicted = 0
        self._since_ms = UNKNOWN
        self._parts: deque[_Part] = deque()
        # Rows of the newest parts that are not compressed yet.
        self._loose = 0
        self._rows: dict[str, npt.NDArray[Any]] = {n: np.zeros(max_likes, kind) for n, kind in _FIELDS.items()}
        self._stamps = np.zeros(max_likes, np.int16)
        self._newest = SlotTable({"like": np.int64}, max_likes)
        # By the number of the first like.
        self._decoded: dict[int, pa.RecordBatch] = {}

    @property
    def rows(self) -> int:
        return self.count - self.oldest

    def add(self, batch: pa.RecordBatch, stamps: npt.NDArray[np.int16], agent: Any) -> I64:
        """Returns the numbers of these likes. Raises ValueError if there are more than fit at all."""
        n = batch.num_rows
        if n > self.max_likes:
            raise ValueError(f"{n} likes in a frame, where at most {self.max_likes} are retained")
        actors, times = hash_strings(batch.column("actor_id")), batch.column("occurred_at").to_numpy()
        numbers = np.arange(self.count + 1, self.count + 1 + n)
        self._make_room(n)
        at = numbers % self.max_likes
        self._rows["actor"][at], self._rows["time"][at] = actors, times
        self._rows["target"][at], self._rows["agent"][at] = hash_strings(batch.column("target_id")), agent
        self._stamps[at] = stamps
        slots, _ = self._newest.insert(actors)
        np.maximum.at(self._newest["touched"], slots, times)
        _chain(slots, self._newest["like"], self.count + 1, self._rows["previous"])
        self.count += n
        self._parts.append(_Part(self.count - n + 1, self.count, int(times.max()), batch))
        self._loose += n
        if self._loose >= COMPRESSED:
            self._compress()
        return numbers

    def _make_room(self, n: int) -> None:
        evicted = max(self.rows + n - self.max_likes, 0)
        self.evicted += evicted
        self.oldest += evicted
        while self._parts and self._parts[0].last <= self.oldest:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        gone = self._parts.popleft()
        self._loose -= gone.rows if gone.loose else 0

    def _compress(self) -> None:
        """Make one part of those that are not compressed yet."""
        loose = [part for part in self._parts if part.loose]
        for _ in loose:
            self._parts.pop()
        rows = frames.join([part.batch() for part in loose], schemas.TRUSTED_LIKES)
        latest = max(part.latest_ms for part in loose)
        self._parts.append(_Part(loose[0].first, loose[-1].last, latest, frames.encode(rows)))
        self._loose = 0

    def expire(self, before_ms: int) -> bool:
        """Forget likes that are older; returns whether that was not done before."""
        if not self._newest.expire_once(before_ms):
            return False
        self._since_ms = before_ms
        while self._parts and self._parts[0].latest_ms < before_ms:
            self.oldest = max(self.oldest, self._parts[0].last)
            self._drop_oldest()
        return True

    def of(self, actors: U64) -> tuple[I64, I64]:
        """Numbers of the likes that are kept of these actors, and whose (index) each is. Shapes (n,)."""
        previous, times = self._rows["previous"], self._rows["time"]
        slots = self._newest.find(actors)
        newest = np.where(slots >= 0, self._newest["like"][slots], 0)
        room = 1024
        while True:
            owner, found = np.empty(room, np.int64), np.empty(room, np.int64)
            n = _walk(newest, previous, times, self.oldest, self._since_ms, owner, found)
            if n >= 0:
                return found[:n], owner[:n]
            room *= 8

    def field(self, name: str, numbers: I64) -> npt.NDArray[Any]:
        """`actor`, `target` (hashes), `time` (ms) or `agent` of likes by number. Shape (n,)."""
        return self._rows[name][numbers % self.max_likes]

    def stamps(self, numbers: I64) -> npt.NDArray[np.int16]:
        return self._stamps[numbers % self.max_likes]

    def stamp(self, numbers: I64, stamps: npt.NDArray[np.int16]) -> None:
        """What these likes count for from now on."""
        self._stamps[numbers % self.max_likes] = stamps

    def content(self, numbers: I64, names: Sequence[str] = schemas.TRUSTED_LIKES.names) -> pa.RecordBatch:
        """The likes with these numbers, in this order, as first published; of their columns those asked for."""
        schema = pa.schema([schemas.TRUSTED_LIKES.field(name) for name in names])
        if len(numbers) == 0:
            return frames.join([], schema)
        firsts = np.array([part.first for part in self._parts])
        order = np.argsort(numbers)
        at = np.searchsorted(firsts, numbers[order], side="right") - 1
        cuts = np.r_[0, np.flatnonzero(np.diff(at)) + 1, len(order)]
        found, newest = [], firsts[-DECODED:][0]
        for begin, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            part = self._parts[int(at[begin])]
            rows = pa.array(numbers[order[begin:end]] - part.first)
            columns = self._decoded_of(part) if part.first >= newest and not part.loose else part.columns(names)
            found.append(columns.select(names).take(rows))
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return frames.join(found, schema).take(pa.array(back))

    def _decoded_of(self, part: _Part) -> pa.RecordBatch:
        found = self._decoded.get(part.first)
        if found is None:
            found = self._decoded[part.first] = part.batch()
            if len(self._decoded) > DECODED:
                del self._decoded[min(self._decoded)]
        return found

    def forget(self, actors: U64) -> int:
        """Take these actors' likes out; returns how many there were. Their numbers stay, as nobody's."""
        numbers, _ = self.of(actors)
        numbers.sort()
        self._newest.drop(actors)
        for part in self._parts:
            begin, end = np.searchsorted(numbers, [part.first, part.last + 1])
            if begin < end:
                rest = _without(part.batch(), numbers[begin:end] - part.first)
                part.content = rest if part.loose else frames.encode(rest)
                self._decoded.pop(part.first, None)
        self._rows["actor"][numbers % self.max_likes] = 0
        return len(numbers)

    def snapshot(self) -> Arrays:
        kept = np.arange(self.oldest + 1, self.count + 1) % self.max_likes
        places = [[part.first, part.last, part.latest_ms] for part in self._parts]
        return {
            **pack_blobs("retained", [part.encoded() for part in self._parts]),
            "retained.frames": np.array(places, np.int64).reshape(-1, 3),
            **{f"retained.{name}": column[kept] for name, column in self._rows.items()},
            "retained.stamps": self._stamps[kept],
            **self._newest.snapshot("retained.newest"),
            "retained.count": np.array([self.count, self.oldest, self.evicted, self._since_ms]),
        }

    def restore(self, arrays: Arrays) -> None:
        # Snapshots of before do not say since when likes are kept: those of whole parts were.
        self.count, self.oldest, self.evicted, self._since_ms = [*arrays["retained.count"].tolist(), UNKNOWN][:4]
        places = arrays["retained.frames"].tolist()
        blobs = unpack_blobs("retained", arrays)
        self._parts = deque(
            _Part(first, last, latest, blob) for (first, last, latest), blob in zip(places, blobs, strict=True)
        )
        self._loose = 0
        for part in reversed(self._parts):
            if self._loose + part.rows >= COMPRESSED:
                break
            part.content = part.batch()
            self._loose += part.rows
        kept = np.arange(self.oldest + 1, self.count + 1) % self.max_likes
        for name, column in self._rows.items():
            column[kept] = arrays[f"retained.{name}"]
        self._stamps[kept] = arrays["retained.stamps"]
        self._newest.restore("retained.newest", arrays)
        self._decoded.clear()


def _without(batch: pa.RecordBatch, rows: I64) -> pa.RecordBatch:
    """The likes with nothing in these rows that names anybody or anything; the others stay where they are."""
    mask = np.zeros(batch.num_rows, np.bool_)
    mask[rows] = True
    columns = [
        pa.compute.if_else(pa.array(mask), pa.scalar("" if field.name == "actor_id" else None, field.type), column)
        if pa.types.is_string(field.type)
        else column
        for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
