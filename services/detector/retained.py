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

from shared import frames
from shared.checkpoints import Arrays, pack_blobs, unpack_blobs
from shared.hashing import U64, hash_strings
from shared.slots import SlotTable

I64 = npt.NDArray[np.int64]

# Of the newest frames, those that were asked for stay decoded: a campaign's likes lie in few of them. Of an older one
# only what is asked for is decoded, each time: who is accused again and again may have likes in all there are, and what
# was used longest ago would then always be what is asked for next.
DECODED: Final = 256
_FIELDS: Final = {"actor": np.uint64, "target": np.uint64, "time": np.int64, "previous": np.int64, "agent": np.bool_}


@njit(cache=True)
def _chain(slots: Any, newest: Any, first: int, previous: Any) -> None:
    """Each like points at the one before it of its actor."""
    size = len(previous)
    for i in range(len(slots)):
        previous[(first + i) % size] = newest[slots[i]]
        newest[slots[i]] = first + i


@njit(cache=True)
def _walk(newest: Any, previous: Any, oldest: int, owner: Any, found: Any) -> int:
    size, n = len(previous), 0
    for i in range(len(newest)):
        at = newest[i]
        while at > oldest:
            if n == len(found):
                return -1
            owner[n], found[n] = i, at
            n += 1
            at = previous[at % size]
    return n


@dataclass
class _Frame:
    """Content of the likes numbered `first` to `last`; `latest_ms`: the latest of their times."""

    first: int
    last: int
    latest_ms: int
    content: bytes


class RetainedLikes:
    """At most `max_likes` rows (schema `frames.TRUSTED_LIKES`, as first published), the newest, numbered from 1. What
    each of them counts for now is its stamp (`fusion.stamp`).
    """

    def __init__(self, max_likes: int) -> None:
        self.max_likes = max_likes
        self.count = 0
        self.oldest = 0
        self.evicted = 0
        self._frames: deque[_Frame] = deque()
        self._rows: dict[str, npt.NDArray[Any]] = {n: np.zeros(max_likes, kind) for n, kind in _FIELDS.items()}
        self._stamps = np.zeros(max_likes, np.int16)
        self._newest = SlotTable({"like": np.int64}, max_likes)
        # By the number of the first like.
        self._decoded: dict[int, pa.RecordBatch] = {}

    @property
    def rows(self) -> int:
        return self.count - self.oldest

    def add(self, batch: pa.RecordBatch, content: bytes, stamps: npt.NDArray[np.int16], agent: Any) -> I64:
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
        self._frames.append(_Frame(self.count - n + 1, self.count, int(times.max()), content))
        return numbers

    def _make_room(self, n: int) -> None:
        while self._frames and self.rows + n > self.max_likes:
            oldest = self._frames.popleft()
            self.evicted += oldest.last - self.oldest
            self.oldest = oldest.last

    def expire(self, before_ms: int) -> bool:
        """Forget frames all of whose likes are older; returns whether that was not done before."""
        if not self._newest.expire_once(before_ms):
            return False
        while self._frames and self._frames[0].latest_ms < before_ms:
            self.oldest = self._frames.popleft().last
        return True

    def of(self, actors: U64) -> tuple[I64, I64]:
        """Numbers of the likes that are kept of these actors, and whose (index) each is. Shapes (n,)."""
        slots = self._newest.find(actors)
        newest = np.where(slots >= 0, self._newest["like"][slots], 0)
        room = 1024
        while True:
            owner, found = np.empty(room, np.int64), np.empty(room, np.int64)
            n = _walk(newest, self._rows["previous"], self.oldest, owner, found)
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

    def content(self, numbers: I64, names: Sequence[str] = frames.TRUSTED_LIKES.names) -> pa.RecordBatch:
        """The likes with these numbers, in this order, as first published; of their columns those asked for."""
        schema = pa.schema([frames.TRUSTED_LIKES.field(name) for name in names])
        if len(numbers) == 0:
            return frames.join([], schema)
        firsts = np.array([f.first for f in self._frames])
        order = np.argsort(numbers)
        frame = np.searchsorted(firsts, numbers[order], side="right") - 1
        cuts = np.r_[0, np.flatnonzero(np.diff(frame)) + 1, len(order)]
        parts, newest = [], firsts[-DECODED:][0]
        for begin, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            kept = self._frames[int(frame[begin])]
            rows = pa.array(numbers[order[begin:end]] - kept.first)
            found = self._batch(kept) if kept.first >= newest else frames.decode_columns(kept.content, names)
            parts.append(found.select(names).take(rows))
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return frames.join(parts, schema).take(pa.array(back))

    def _batch(self, kept: _Frame) -> pa.RecordBatch:
        found = self._decoded.get(kept.first)
        if found is None:
            found = self._decoded[kept.first] = frames.decode(kept.content)
            if len(self._decoded) > DECODED:
                del self._decoded[min(self._decoded)]
        return found

    def forget(self, actors: U64) -> int:
        """Take these actors' likes out; returns how many there were. Their numbers stay, as nobody's."""
        numbers, _ = self.of(actors)
        numbers.sort()
        self._newest.drop(actors)
        for kept in self._frames:
            begin, end = np.searchsorted(numbers, [kept.first, kept.last + 1])
            if begin < end:
                kept.content = _without(kept.content, numbers[begin:end] - kept.first)
                self._decoded.pop(kept.first, None)
        self._rows["actor"][numbers % self.max_likes] = 0
        return len(numbers)

    def snapshot(self) -> Arrays:
        kept = np.arange(self.oldest + 1, self.count + 1) % self.max_likes
        return {
            **pack_blobs("retained", [f.content for f in self._frames]),
            "retained.frames": np.array([[f.first, f.last, f.latest_ms] for f in self._frames], np.int64).reshape(
                -1, 3
            ),
            **{f"retained.{name}": column[kept] for name, column in self._rows.items()},
            "retained.stamps": self._stamps[kept],
            **self._newest.snapshot("retained.newest"),
            "retained.count": np.array([self.count, self.oldest, self.evicted]),
        }

    def restore(self, arrays: Arrays) -> None:
        self.count, self.oldest, self.evicted = arrays["retained.count"].tolist()
        places = arrays["retained.frames"].tolist()
        blobs = unpack_blobs("retained", arrays)
        self._frames = deque(
            _Frame(first, last, latest, blob) for (first, last, latest), blob in zip(places, blobs, strict=True)
        )
        kept = np.arange(self.oldest + 1, self.count + 1) % self.max_likes
        for name, column in self._rows.items():
            column[kept] = arrays[f"retained.{name}"]
        self._stamps[kept] = arrays["retained.stamps"]
        self._newest.restore("retained.newest", arrays)
        self._decoded.clear()


def _without(content: bytes, rows: I64) -> bytes:
    """The frame with nothing in these rows that names anybody or anything; the others stay where they are."""
    batch = frames.decode(content)
    mask = np.zeros(batch.num_rows, np.bool_)
    mask[rows] = True
    columns = [
        pa.compute.if_else(pa.array(mask), pa.scalar("" if field.name == "actor_id" else None, field.type), column)
        if pa.types.is_string(field.type)
        else column
        for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return frames.encode(pa.RecordBatch.from_arrays(columns, schema=batch.schema))
