"""Likes as signals keyed by actor take them, and what must hold of each such signal."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from services.detector.signals.signal import Findings, Rows, Signal, joined
from shared.hashing import U64, hash_strings
from tests.likes import START_MS

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def ids(names: Iterable[str]) -> U64:
    return hash_strings(pa.array(list(names), pa.string()))


def rows(at: Any, actor: U64, target: U64 | None = None, unlike: Any = None) -> Rows:
    """In order, with every target a new one where none are given. Arrays of shape (n,)."""
    count = len(at)
    zeros, none = np.zeros(count, np.int64), np.zeros(count, np.uint64)
    target = np.arange(1, count + 1, dtype=np.uint64) if target is None else target
    unlike = np.zeros(count, np.bool_) if unlike is None else np.asarray(unlike, np.bool_)
    at = np.asarray(at, np.int64)
    order = np.lexsort((target, actor, at))
    unsorted = Rows(
        at, actor, target, none, none, unlike, zeros - 1, zeros, zeros, np.zeros((count, 4), np.int64), zeros != 0
    )
    return unsorted.take(order)


def of_actors(times: Callable[[int, np.random.Generator], Any], actors: int, seed: int, name: str = "actor") -> Rows:
    """Likes of some actors, each at the ms after START_MS that `times` gives for its number."""
    rng = np.random.default_rng(seed)
    each = [np.asarray(times(number, rng)).astype(np.int64) for number in range(actors)]
    names = ids(f"{name}{number}" for number in range(actors))
    return rows(START_MS + np.concatenate(each), np.repeat(names, [len(t) for t in each]))


def together(*streams: Rows) -> Rows:
    at, actor, unlike = (np.concatenate([getattr(s, n) for s in streams]) for n in ("occurred_at", "actor", "unlike"))
    return rows(at, actor, unlike=unlike)


def calm(seed: int, people: int = 1500, hours: float = 12.0) -> Rows:
    """People who give four likes each, at any time."""
    return of_actors(lambda _, rng: rng.uniform(0, hours * HOUR, 4), people, seed, "person")


def in_batches(signal: Signal, stream: Rows, size: int = 4096) -> Findings:
    found = []
    for start in range(0, len(stream), size):
        batch = stream.take(slice(start, start + size))
        found.append(signal.observe(batch, int(batch.occurred_at[-1])))
    return joined(found)


def found_actors(findings: Findings, convicted: bool = False) -> set[int]:
    return set(findings.actor[findings.convicts].tolist() if convicted else findings.actor.tolist())


def final(findings: Findings) -> dict[tuple[int, int, int], tuple[float, ...]]:
    """What is left of findings at the end: the strongest of each actor, target and episode, and how far it goes."""
    last: dict[tuple[int, int, int], tuple[float, ...]] = {}
    for i in np.lexsort((findings.last_at, findings.strength)):
        key = (int(findings.actor[i]), int(findings.target[i]), int(findings.first_at[i]))
        until = max(int(findings.last_at[i]), int(last.get(key, (0,))[0]))
        last[key] = (until, findings.strength[i], findings.convicts[i], findings.value[i], findings.baseline[i])
    return last


def assert_batches_do_not_matter(make: Callable[[], Signal], stream: Rows, cuts: list[int]) -> dict[Any, Any]:
    """Whole, in these batches, and with a snapshot between them: one result. Returns it."""
    whole, parts = make(), make()
    expected = final(whole.observe(stream, int(stream.occurred_at[-1])))
    found, edges = [], sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    for start, stop in pairwise(edges):
        found.append(parts.observe(stream.take(slice(start, stop)), int(stream.occurred_at[stop - 1])))
        state = parts.snapshot()
        parts = make()
        parts.restore(state)
    assert final(joined(found)) == expected
    one, other = whole.snapshot(), parts.snapshot()
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    return expected


CUTS = st.lists(st.integers(1, 10_000), max_size=12)


def assert_forgets(signal: Signal, actor: int) -> None:
    """No trace of the actor's hash in what is kept."""

    def kept() -> list[str]:
        return [name for name, array in signal.snapshot().items() if array.dtype == np.uint64 and actor in array]

    assert kept()
    signal.forget(np.array([actor, 12345], np.uint64))
    assert not kept()


def real(name: str) -> Rows:
    """A stream of ../shared/data."""

    def read() -> Iterator[tuple[int, str, str]]:
        with gzip.open(SHARED / name, "rt") as file:
            for row in csv.DictReader(file):
                at = datetime.fromisoformat(row["occurred_at"]).timestamp()
                yield round(at * 1000), row["actor_id"], row["target_id"]

    at, actors, targets = zip(*read(), strict=True)
    return rows(at, ids(actors), ids(targets))
