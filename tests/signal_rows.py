"""Rows for signals: what the actor's stage would send on of some likes, and a way to send them in frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from services.detector.signals.signal import Findings, Rows, Signal, joined
from shared.hashing import U64, hash_strings
from tests.likes import START_MS

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
NEVER = 1 << 60


def ids(names: Sequence[Any]) -> U64:
    return hash_strings(pa.array([str(n) for n in names], pa.string()))


@dataclass
class Likes:
    """Likes by name, in any order."""

    at: np.ndarray[Any, Any]
    actor: np.ndarray[Any, Any]
    target: np.ndarray[Any, Any]
    creator: np.ndarray[Any, Any]
    origin: np.ndarray[Any, Any]

    @classmethod
    def of(cls, hours: Any, actor: Any, target: Any, creator: Any = "", origin: Any = "") -> Self:
        """Arrays, or one value for all; hours since the start of tests' time."""
        at = START_MS + np.round(np.asarray(hours, float) * HOUR_MS).astype(np.int64)
        # Fixed-length strings would cut the longer ones when joined.
        names = [np.broadcast_to(np.asarray(x, object), at.shape) for x in (actor, target, creator, origin)]
        return cls(at, *names)

    def __add__(self, other: Likes) -> Likes:
        return Likes(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))

    def rows(self) -> Rows:
        """Each like, and strangers' once more (`settled`), at the end."""
        actor, target = ids(self.actor), ids(self.target)
        creator, origin = (
            np.where(np.asarray(x, str) == "", 0, ids(x)).astype(np.uint64) for x in (self.creator, self.origin)
        )
        order = np.lexsort((target, actor, self.at))
        at, actor, target, creator, origin = (x[order] for x in (self.at, actor, target, creator, origin))
        first, count, within = history(at, actor)
        n = len(at)
        rows = Rows(
            at,
            actor,
            target,
            creator,
            origin,
            np.zeros(n, np.bool_),
            np.full(n, -1),
            first,
            count,
            np.zeros((n, 4), np.int64),
            np.zeros(n, np.bool_),
        )
        again = rows.take((within <= 2) & (at - first < DAY_MS))
        return stacked([rows, replace(again, settled=np.ones(len(again), np.bool_))])


def for_signal(signal: Signal, rows: Rows) -> Rows:
    """Strangers' likes come once more only to who is keyed by target."""
    return rows if signal.key == "target" else rows.take(~rows.settled)


def history(at: Any, actor: Any) -> tuple[Any, Any, Any]:
    """By like, of its actor: first seen, likes so far, likes until a day later. `at` grows."""
    by_actor = np.argsort(actor, kind="stable")
    times, whose = at[by_actor], actor[by_actor]
    starts = np.flatnonzero(np.r_[True, whose[1:] != whose[:-1]]) if len(at) else np.zeros(0, np.int64)
    start = np.repeat(starts, np.diff(np.r_[starts, len(at)]))
    first, count, within = np.empty_like(at), np.empty_like(at), np.empty_like(at)
    first[by_actor] = times[start]
    count[by_actor] = np.arange(len(at)) - start + 1
    # Actors one after the other on one time line, far from each other.
    line = (np.cumsum(np.r_[True, whose[1:] != whose[:-1]]) if len(at) else 0) * np.int64(1 << 42)
    line = line + (times - (at[0] if len(at) else 0))
    within[by_actor] = np.searchsorted(line, line + DAY_MS, side="right") - start
    return first, count, within


def stacked(parts: Sequence[Rows]) -> Rows:
    return Rows(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Rows)))


def frames(rows: Rows, cuts: Sequence[int]) -> Iterator[tuple[Rows, int]]:
    """Likes in frames that end at `cuts`, each with the watermark; strangers' come again a day later."""
    fresh, settled = rows.take(~rows.settled), rows.take(rows.settled)
    start, sent = 0, 0
    for stop in [*sorted({c for c in cuts if 0 < c < len(fresh)}), len(fresh)]:
        now = int(fresh.occurred_at[stop - 1]) if stop else 0
        due = int(np.searchsorted(settled.occurred_at + DAY_MS, now))
        yield stacked([settled.take(slice(sent, due)), fresh.take(slice(start, stop))]), now
        start, sent = stop, due
    yield settled.take(slice(sent, None)), NEVER


def observed(signal: Signal, rows: Rows, frame: int = 4096) -> Findings:
    rows = for_signal(signal, rows)
    return joined([signal.observe(part, now) for part, now in frames(rows, range(frame, len(rows), frame))])


def strongest(found: Findings) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """By actor, target, span and whether it convicts: the greatest strength, with value and baseline."""
    best: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    columns = (found.actor, found.target, found.first_at, found.last_at, found.convicts)
    what = (found.strength, found.value, found.baseline)
    for key, said in zip(zip(*columns, strict=True), zip(*what, strict=True), strict=True):
        best[key] = max(best.get(key, said), said)
    return best


def equal(one: Signal, other: Signal) -> bool:
    a, b = one.snapshot(), other.snapshot()
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def said_of(found: Findings, names: Any, least: float = 1.0, convicts: bool | None = None) -> float:
    """The share of these actors whom something speaks against."""
    which = found.strength >= least
    if convicts is not None:
        which &= found.convicts == convicts
    return float(np.isin(ids(list(dict.fromkeys(names))), found.actor[which]).mean())


def platform(seed: int, people: int = 1500, targets: int = 2000, likes: int = 12_000, hours: float = 72.0) -> Likes:
    """A calm stream: people with more or less to say, things of more or less fame."""
    rng = np.random.default_rng(seed)
    who = rng.choice(people, likes, p=_zipf(people, 0.6))
    what = rng.choice(targets, likes, p=_zipf(targets, 0.8))
    return Likes.of(
        np.sort(rng.uniform(0, hours, likes)),
        np.array([f"person{i}" for i in who], object),
        np.array([f"item{i}" for i in what], object),
        np.array([f"maker{i % 400}" for i in what], object),
        np.array([f"home{i}" for i in who], object),
    )


def _zipf(n: int, exponent: float) -> Any:
    weight = np.arange(1, n + 1) ** -exponent
    return weight / weight.sum()


CUTS = st.lists(st.integers(0, 400), max_size=6)


def whatever_the_batches(make: Any, rows: Rows, cuts: Sequence[int]) -> Findings:
    """Asserts that frames cut anywhere, with a restart at each, find the same and end in the same state."""
    whole, parts = make(), make()
    rows = for_signal(whole, rows)
    expected = joined([whole.observe(part, now) for part, now in frames(rows, [])])
    found = []
    for part, now in frames(rows, cuts):
        found.append(parts.observe(part, now))
        again = make()
        again.restore(parts.snapshot())
        parts = again
    assert strongest(joined(found)) == strongest(expected)
    assert equal(whole, parts)
    return expected


def named(prefix: str, n: int) -> Any:
    return np.array([f"{prefix}{i}" for i in range(n)], object)
