"""Lockstep, first step, at a target: who liked it shortly before, at which scale, and how much of that is chance.

Of two actors who like one target within a scale D, chance gives

    expected = n_a * n_b * share * T

meetings on it in a window of length D: n_a and n_b are how many likes each gave in the window and the one before,
on any target; `share` is the target's share of the stream's likes; T is for taste in common. So two people in long
sittings at one hour are expected to meet, and two accounts that do little else are not.

In a crowd not everybody meets everybody: who is met is decided by the actors' hashes (consistent sampling, as in
min-hash), so that each like brings a dozen meetings at most, and the members of a large group that comes again meet
the same few again.

A target keeps its last likers in chunks of one log, so that the many targets with few likers cost little. A scale
within which the target's crowd is usually larger than that says nothing about who belongs together, and is left out.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from services.detector.names import Names
from services.detector.signals.rows import EXPECTED, RECENT
from services.detector.signals.signal import SCALES
from shared import frames, schemas
from shared.checkpoints import Arrays
from shared.hashing import U64
from shared.slots import SlotTable

TASTE_IN_COMMON: Final = 3.0
MOST_LIKERS: Final = 48
MOST_MET: Final = 12.0
CHUNK: Final = 6
# Shares of targets forget with this half-life, ms: long against the slowest scale.
HALF_LIFE_MS: Final = 7 * 86_400_000
AT_ONCE: Final = 1 << 16

_COLUMNS: Final = {
    # Of the newest chunk of likers, from 1; 0: none.
    "newest": np.int64,
    # Likes, decayed, as of the last one; and as they were when its day began.
    "likes": np.float64,
    "liked_at": np.int64,
    "before_today": np.float64,
    "first_at": np.int64,
}


@njit(cache=True)
def _seen(
    slot: int,
    new: bool,
    time: Any,
    counts: float,
    likes: Any,
    liked_at: Any,
    before: Any,
    first_at: Any,
    half_life: Any,
) -> None:
    """Take a like into its target's counts."""
    day = 86_400_000
    if new:
        first_at[slot], liked_at[slot], likes[slot], before[slot] = time, time, 0.0, 0.0
    if time > liked_at[slot]:
        if time // day > liked_at[slot] // day:
            start = time // day * day
            before[slot] = likes[slot] * 2.0 ** (-(max(start - liked_at[slot], 0)) / half_life)
        likes[slot] *= 2.0 ** (-(time - liked_at[slot]) / half_life)
        liked_at[slot] = time
    likes[slot] += counts


@njit(cache=True)
def _usual_rate(slot: int, time: Any, before: Any, first_at: Any, half_life: Any) -> float:
    """Likes a ms that the target got before today."""
    day = 86_400_000
    age = max(time // day * day - first_at[slot], day)
    return before[slot] / min(float(age), half_life / np.log(2.0))


@njit(cache=True)
def _count_crowd(
    slot: int,
    time: Any,
    newest: Any,
    log_time: Any,
    log_previous: Any,
    log_used: Any,
    lost: Any,
    scales: Any,
    crowd: Any,
) -> None:
    """How many likers the target had within each scale: counted, or reckoned from how fast they came."""
    for s in range(len(scales)):
        crowd[s] = 0.0
    chunk, looked, oldest, pool = newest[slot], 0, time, len(log_used)
    while chunk > lost and chunk > 0 and looked < 48:
        at = chunk % pool
        for e in range(log_used[at] - 1, -1, -1):
            apart = abs(time - log_time[at, e])
            if apart > scales[-1]:
                return
            looked += 1
            oldest = log_time[at, e]
            for s in range(len(scales)):
                crowd[s] += apart <= scales[s]
        chunk = log_previous[at]
    if looked >= 48:
        span = max(time - oldest, 1000)
        for s in range(len(scales)):
            if scales[s] > span:
                crowd[s] = looked * scales[s] / span


@njit(cache=True)
def _meet(
    begin: int, slots: Any, new: Any, times: Any, actors: Any, targets: Any, creators: Any, recent: Any,
    newest: Any, likes: Any, liked_at: Any, before: Any, first_at: Any, stream: Any, partitions: float,
    log_actor: Any, log_time: Any, log_recent: Any, log_previous: Any, log_used: Any, state: Any,
    scales: Any, half_life: float, taste: float, most_met: float, ids: Any, when: Any, scale_out: Any, expected: Any,
    stream_out: Any, crowd: Any,
) -> tuple[int, int]:  # fmt: skip
    """Likes from `begin` on, until the outputs are full. Returns (the next like, meetings written)."""
    pool, room, out = len(log_used), len(when), 0
    for i in range(begin, len(slots)):
        if out + 2 * 48 > room:
            return i, out
        slot, time, actor = slots[i], times[i], actors[i]
        # Who floods must make neither things look popular nor the stream look large.
        counts = 1.0 if recent[i, 2] <= 100 else 0.0
        _seen(slot, new[i], time, counts, likes, liked_at, before, first_at, half_life)
        stream[0] = stream[0] * 2.0 ** (-(max(time - stream[1], 0.0)) / half_life) + counts
        stream[1] = max(stream[1], float(time))
        # The pair's own two likes left out, one added: nothing is known to be nobody's.
        share = max(likes[slot] - 1.0, 1.0) / max(stream[0] * partitions, 1.0)
        usual = _usual_rate(slot, time, before, first_at, half_life)
        slowest = len(scales) - 1
        while slowest >= 0 and usual * scales[slowest] > 48:
            slowest -= 1
        _count_crowd(slot, time, newest, log_time, log_previous, log_used, state[0] - pool, scales, crowd)
        chunk, looked, done = newest[slot], 0, slowest < 0
        while chunk > 0 and chunk > state[0] - pool and not done:
            at = chunk % pool
            for e in range(log_used[at] - 1, -1, -1):
                apart = abs(time - log_time[at, e])
                if apart > scales[slowest] or looked == 48:
                    done = True
                    break
                looked += 1
                # 0: forgotten.
                if log_actor[at, e] == actor or log_actor[at, e] == 0:
                    continue
                scale = 0
                while apart > scales[scale]:
                    scale += 1
                # A dozen in a crowd that is remembered, the fewer the larger it is beyond that.
                part = most_met / crowd[scale] * min(1.0, 48 / crowd[scale])
                if float(min(actor, log_actor[at, e])) > part * 2.0**64:
                    continue
                for direction in range(2):
                    ids[out, 0] = actor if direction == 0 else log_actor[at, e]
                    ids[out, 1] = log_actor[at, e] if direction == 0 else actor
                    ids[out, 2] = targets[i]
                    ids[out, 3] = creators[i]
                    when[out, 0] = max(time, log_time[at, e])
                    when[out, 1] = time if direction == 0 else log_time[at, e]
                    scale_out[out] = scale
                    for s in range(len(scales)):
                        chance = float(recent[i, s]) * float(log_recent[at, e, s]) * share * taste
                        expected[out, s] = chance if scale <= s <= slowest else -1.0
                    stream_out[out] = stream[0] * partitions
                    out += 1
            chunk = log_previous[at]
        head = newest[slot]
        if head == 0 or head <= state[0] - pool or log_used[head % pool] == 6:
            state[0] += 1
            at = state[0] % pool
            log_previous[at], log_used[at] = head, 0
            newest[slot] = state[0]
        at = newest[slot] % pool
        e = log_used[at]
        log_actor[at, e], log_time[at, e] = actor, time
        for s in range(len(scales)):
            log_recent[at, e, s] = min(recent[i, s], 65535)
        log_used[at] = e + 1
    return len(slots), out


class Meetings:
    """State of one partition of targets."""

    def __init__(self, max_targets: int, partitions: int) -> None:
        self.partitions = partitions
        self.targets = SlotTable(_COLUMNS, max_targets)
        self.names = Names(2 * max_targets)
        # Likes of this partition's targets, decayed, and as of when (ms).
        self.stream = np.zeros(2)
        pool = max(max_targets // 2, 64)
        self.log: dict[str, npt.NDArray[Any]] = {
            "actor": np.zeros((pool, CHUNK), np.uint64),
            "time": np.zeros((pool, CHUNK), np.int64),
            "recent": np.zeros((pool, CHUNK, len(SCALES)), np.uint16),
            "previous": np.zeros(pool, np.int64),
            "used": np.zeros(pool, np.int8),
        }
        self.state = np.zeros(1, np.int64)

    def meet(self, likes: pa.RecordBatch) -> pa.RecordBatch:
        """Likes by target in order of (occurred_at, actor, target), schema `schemas.KEYED_LIKES`, to meetings."""
        if likes.num_rows == 0:
            return _EMPTY
        times, actors, targets, creators = (
            likes.column(name).to_numpy() for name in ("occurred_at", "actor", "target", "creator")
        )
        recent = np.stack([likes.column(name).to_numpy() for name in RECENT], axis=1)
        self.names.add(actors, likes.column("actor_id"), times)
        slots, new = self.targets.insert(targets)
        np.maximum.at(self.targets["touched"], slots, times)
        parts, at = [], 0
        while at < len(slots):
            ids = np.empty((AT_ONCE, 4), np.uint64)
            when = np.empty((AT_ONCE, 2), np.int64)
            scale, expected = np.empty(AT_ONCE, np.int8), np.empty((AT_ONCE, len(SCALES)), np.float32)
            stream = np.empty(AT_ONCE, np.float32)
            at, n = _meet(
                at, slots, new, times, actors, targets, creators, recent, *(self.targets[c] for c in _COLUMNS),
                self.stream, float(self.partitions), *self.log.values(), self.state, np.array(SCALES), HALF_LIFE_MS,
                TASTE_IN_COMMON, MOST_MET, ids, when, scale, expected, stream, np.empty(len(SCALES)),
            )  # fmt: skip
            parts.append(self._batch(ids[:n], when[:n], scale[:n], expected[:n], stream[:n]))
        return frames.join(parts, schemas.MEETINGS)

    def _batch(self, ids: U64, when: Any, scale: Any, expected: Any, stream: Any) -> pa.RecordBatch:
        peers, codes = np.unique(ids[:, 1], return_inverse=True)
        known = ids[:, 3] != 0
        columns = [
            when[:, 0],
            when[:, 1],
            ids[:, 0],
            ids[:, 1],
            ids[:, 2],
            np.where(known, ids[:, 3], ids[:, 2]),
            known,
            scale,
            *(expected[:, s] for s in range(len(EXPECTED))),
            stream,
        ]
        names = pa.array(self.names.of(peers), pa.string()).take(pa.array(codes))
        return pa.RecordBatch.from_arrays([*(pa.array(c) for c in columns), names], schema=schemas.MEETINGS)

    def expire(self, before_ms: int) -> bool:
        """Forget targets and names that were not seen since; returns whether that was not done before."""
        self.targets.expire_once(before_ms)
        return self.names.expire(before_ms)

    def forget(self, actors: U64) -> None:
        self.names.forget(actors)
        self.log["actor"][np.isin(self.log["actor"], actors)] = 0

    def snapshot(self) -> Arrays:
        used = {f"log.{name}": column.copy() for name, column in self.log.items()}
        facts = {"meetings.stream": self.stream.copy(), "meetings.state": self.state.copy()}
        return {**self.targets.snapshot("targets"), **self.names.snapshot("names"), **used, **facts}

    def restore(self, arrays: Arrays) -> None:
        self.targets.restore("targets", arrays)
        self.names.restore("names", arrays)
        self.log = {name: arrays[f"log.{name}"].copy() for name in self.log}
        self.stream, self.state = arrays["meetings.stream"].copy(), arrays["meetings.state"].copy()


_EMPTY = frames.join([], schemas.MEETINGS)
