"""Likes of a crowd with the habits of a platform's, for the detector's rows: seeded, vectorised, as Arrow batches.

People come in sittings of about eight likes, three sittings a day, awake for sixteen hours at an hour of their own;
one in 64 of them gives as much as the quietest dozen. Targets follow Zipf's law with Mandelbrot's offset. Two in a
hundred likes are of crews in lockstep: forty accounts that like the same twelve targets, within a minute each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shared import schemas
from shared.hashing import hash_strings

I64 = npt.NDArray[np.int64]

# 2026-01-01T00:00Z: a day, and so a window of any scale, begins here.
START_MS: Final = 1_767_225_600_000
DAY_MS: Final = 86_400_000
BLOCK_MS: Final = 60_000
BATCH: Final = 16_000

SITTINGS_A_DAY: Final = 3.0
# Likes of a sitting are geometric and at most so many, so that a sitting ends within BLOCKS blocks but for a few.
STOPS: Final = 1 / 8.5
MOST_A_SITTING: Final = 24
SITTING: Final = (1 - (1 - STOPS) ** MOST_A_SITTING) / STOPS
GAP_MEDIAN_MS: Final = 8_000
GAP_SIGMA: Final = 0.8
BLOCKS: Final = 5
AWAKE: Final = 16 / 24
TOGETHER: Final = 64
TARGETS_EACH: Final = 0.1
OFFSET: Final = 10.0
TARGETS_OF_CREATOR: Final = 10

BOT_SHARE: Final = 0.02
CREW: Final = 40
ROUNDS: Final = 12
ROUND_EVERY_MS: Final = 150_000
ROUND_MS: Final = 60_000


@dataclass(frozen=True)
class Load:
    """`rate` likes a second of event time, in `bursts` of `burst_ms`, one begun each `every_ms` (no pauses where the
    two are the same). `promised`: how many windows with likes must close, at least, by their length in ms.
    """

    rate: float
    bursts: int
    burst_ms: int
    every_ms: int
    promised: dict[int, int] = field(default_factory=dict)
    seed: int = 1
    # Rounds that are timed, at most; the rate is their median.
    rounds: int = 3

    @property
    def busy_ms(self) -> int:
        return self.bursts * self.burst_ms

    @property
    def paused(self) -> bool:
        return self.every_ms > self.burst_ms

    @property
    def people(self) -> int:
        return max(TOGETHER, round(self.rate * DAY_MS / 1000 / SITTING / SITTINGS_A_DAY))

    @property
    def targets(self) -> int:
        return max(1000, round(self.people * TARGETS_EACH))

    def begins(self, burst: int) -> int:
        """A window of `every_ms` ends a quarter into each burst, so that it ends, lateness too, while likes come."""
        ahead = self.every_ms - self.burst_ms // 4 if self.paused else 0
        return START_MS + burst * self.every_ms + ahead

    def event_time(self, busy_ms: I64) -> I64:
        """Time without the pauses to event time. Shape (n,)."""
        burst, within = np.divmod(busy_ms, self.burst_ms)
        return self.begins(0) + burst * self.every_ms + within


@dataclass(frozen=True)
class Likes:
    """`actors`: people from 0, accounts of crews from -1 down. Shapes (n,)."""

    times: I64
    actors: I64
    targets: I64

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, which: Any) -> Likes:
        return Likes(self.times[which], self.actors[which], self.targets[which])


def joined(parts: list[Likes]) -> Likes:
    columns = ([getattr(p, name) for p in parts] for name in ("times", "actors", "targets"))
    return Likes(*(np.concatenate(column) for column in columns))


def likes(load: Load) -> Iterator[Likes]:
    """All likes in order of event time, a burst at a time. The same for the same load."""
    crews = _crews(load)
    blocks: dict[int, Likes] = {}
    for burst in range(load.bursts):
        begin = load.begins(burst)
        end = begin + load.burst_ms
        numbers = range(begin // BLOCK_MS - BLOCKS, (end - 1) // BLOCK_MS + 1)
        blocks = {n: blocks[n] if n in blocks else _sittings(load, n) for n in numbers}
        people = joined(list(blocks.values()))
        parts = [part[(part.times >= begin) & (part.times < end)] for part in (people, crews)]
        found = joined(parts)
        yield found[np.argsort(found.times, kind="stable")]


def _sittings(load: Load, block: int) -> Likes:
    """Likes of the sittings that begin in a block of event time."""
    rng = np.random.default_rng((load.seed, block))
    count = rng.poisson(load.rate * (1 - BOT_SHARE) * BLOCK_MS / 1000 / SITTING)
    begins = block * BLOCK_MS + rng.integers(0, BLOCK_MS, count)
    people = _awake(load, rng, begins)
    lengths = np.minimum(rng.geometric(STOPS, count), MOST_A_SITTING)
    sitting = np.repeat(np.arange(count), lengths)
    first = np.cumsum(lengths) - lengths
    gaps = GAP_MEDIAN_MS * rng.lognormal(0.0, GAP_SIGMA, len(sitting))
    gaps[first] = 0.0
    since = np.cumsum(gaps)
    since -= since[first][sitting]
    # The inverse of the distribution function of 1 / (rank + OFFSET).
    share = rng.random(len(sitting))
    targets = (OFFSET * ((load.targets + OFFSET) / OFFSET) ** share - OFFSET).astype(np.int64)
    return Likes(begins[sitting] + since.astype(np.int64), people[sitting], targets)


def _awake(load: Load, rng: np.random.Generator, times: I64) -> I64:
    """Who sits down: people are numbered by the hour at which they wake, neighbours differ in how much they like."""
    groups = load.people // TOGETHER
    hour = times % DAY_MS / DAY_MS
    group = ((hour - AWAKE * rng.random(len(times))) % 1.0 * groups).astype(np.int64)
    return group * TOGETHER + (TOGETHER * rng.random(len(times)) ** 2).astype(np.int64)


def _crews(load: Load) -> Likes:
    """Likes of all crews. Where likes come in bursts, a crew's rounds are at the same place in one burst after another,
    so that cutting takes none of them apart.
    """
    rng = np.random.default_rng((load.seed, load.bursts))
    crews = max(1, round(load.rate * load.busy_ms / 1000 * BOT_SHARE / CREW / ROUNDS))
    every, spread = (load.burst_ms, min(ROUND_MS, load.burst_ms // 4)) if load.paused else (ROUND_EVERY_MS, ROUND_MS)
    begins = rng.integers(0, max(1, load.busy_ms - ROUNDS * every), crews)
    rounds = begins[:, None] + every * np.arange(ROUNDS)
    targets = rng.integers(0, load.targets, (crews, ROUNDS))
    shape = (crews, ROUNDS, CREW)
    busy = rounds[:, :, None] + rng.integers(0, spread, shape)
    actors = -1 - (np.arange(crews)[:, None, None] * CREW + np.arange(CREW))
    found = Likes(
        load.event_time(busy.ravel()),
        np.broadcast_to(actors, shape).ravel(),
        np.broadcast_to(targets[:, :, None], shape).ravel(),
    )
    return found[np.flatnonzero(busy.ravel() < load.busy_ms)]


def cut(stream: Iterator[Likes], size: int = BATCH) -> Iterator[Likes]:
    """The same likes, `size` at a time."""
    kept: list[Likes] = []
    for part in stream:
        kept.append(part)
        if sum(map(len, kept)) < size:
            continue
        whole = joined(kept)
        full = len(whole) - len(whole) % size
        for begin in range(0, full, size):
            yield whole[begin : begin + size]
        kept = [whole[full:]]
    if sum(map(len, kept)):
        yield joined(kept)


def batches(load: Load, partitions: int) -> Iterator[pa.RecordBatch]:
    """The likes as ingest hands them on: schema `schemas.LIKES`, with places in `likes.v1` of so many partitions."""
    places, number = np.zeros(partitions, np.int64), 0
    for part in cut(likes(load)):
        yield _batch(part, number, places)
        number += len(part)


def _batch(part: Likes, number: int, places: I64) -> pa.RecordBatch:
    n = len(part)
    actors = _named(np.where(part.actors < 0, "b", "u"), np.where(part.actors < 0, -1 - part.actors, part.actors))
    source = (hash_strings(actors) % np.uint64(len(places))).astype(np.int64)
    offsets = np.empty(n, np.int64)
    for partition in range(len(places)):
        mine = np.flatnonzero(source == partition)
        offsets[mine] = places[partition] + np.arange(len(mine))
        places[partition] += len(mine)
    known: dict[str, pa.Array] = {
        "event_id": _named("e", np.arange(number, number + n)),
        "occurred_at": pa.array(part.times),
        "actor_id": actors,
        "target_id": _named("t", part.targets),
        "creator_id": _named("c", part.targets // TARGETS_OF_CREATOR),
        "sent_at": pa.array(part.times),
        "source_partition": pa.array(source.astype(np.int32)),
        "source_offset": pa.array(offsets),
    }
    codes = {name: pa.array(np.zeros(n, np.int8)) for name in schemas.CODES if name in schemas.LIKES.names}
    columns = [known.get(f.name, codes.get(f.name)) for f in schemas.LIKES]
    return pa.RecordBatch.from_arrays(
        [pa.nulls(n, f.type) if c is None else c for f, c in zip(schemas.LIKES, columns, strict=True)],
        schema=schemas.LIKES,
    )


def _named(prefix: Any, numbers: I64) -> pa.Array:
    first = pa.scalar(prefix) if isinstance(prefix, str) else pa.array(prefix)
    return pc.binary_join_element_wise(first, pa.array(numbers).cast(pa.string()), "")
