"""Of each group the keys whose hashes are smallest, with exact sums: a sample that partitions and days add up to.

A key of the final sample was among the smallest at every moment before, so nothing of it was ever left out (bottom-k:
Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007). While a group has no more than `most` keys all
of them are there. A key whose sums went back to 0 keeps its place, so that the order of likes changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.charts.bootstrap import I64
from shared.hashing import U64

I32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Sampled:
    """In order of group and key. `group`, `key`: shape (n,), `sums`: (n, columns)."""

    most: int
    group: I32
    key: U64
    sums: I64

    @classmethod
    def empty(cls, most: int, columns: int) -> Sampled:
        return cls(most, np.zeros(0, np.int32), np.zeros(0, np.uint64), np.zeros((0, columns), np.int64))

    def __add__(self, other: Sampled) -> Sampled:
        return self.plus(other.group, other.key, other.sums)

    def plus(self, group: I32, key: U64, sums: I64) -> Sampled:
        """With rows of which several may have the same key."""
        if not len(group):
            return self
        groups, keys = np.concatenate([self.group, group]), np.concatenate([self.key, key])
        rows = np.concatenate([self.sums, sums])
        order = np.lexsort((keys, groups))
        groups, keys = groups[order], keys[order]
        first = np.flatnonzero(np.r_[True, (groups[1:] != groups[:-1]) | (keys[1:] != keys[:-1])])
        rows = np.add.reduceat(rows[order], first, axis=0)
        groups, keys = groups[first], keys[first]
        begins = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
        place = np.arange(len(groups)) - np.repeat(begins, np.diff(np.r_[begins, len(groups)]))
        kept = place < self.most
        return Sampled(self.most, groups[kept], keys[kept], rows[kept])

    def of(self, group: int) -> Sampled:
        first, stop = np.searchsorted(self.group, [group, group + 1])
        return Sampled(self.most, self.group[first:stop], self.key[first:stop], self.sums[first:stop])

    def without(self, keys: U64) -> Sampled:
        kept = ~np.isin(self.key, keys)
        return Sampled(self.most, self.group[kept], self.key[kept], self.sums[kept])

    @property
    def whole(self) -> bool:
        """Of one group: whether all of its keys are here."""
        return len(self.key) < self.most

    @property
    def stands_for(self) -> float:
        """Of one group: for how many keys each of the sample stands (1 where all are here)."""
        if self.whole:
            return 1.0
        # The largest hash of k among n uniform ones is at about k / n.
        return (self.most - 1) / (float(self.key[-1]) / 2.0**64) / self.most


class HashSample:
    """A `Sampled` that likes are added to; what was added last waits until it is worth sorting."""

    WAITING = 16_384

    def __init__(self, most: int, columns: int) -> None:
        self._held = Sampled.empty(most, columns)
        self._waiting: list[tuple[I32, U64, I64]] = []
        self._count = 0
        # Of each group that is full, the largest key that belongs to it.
        self._highest = np.zeros(0, np.uint64)

    def add(self, group: I32, key: U64, sums: I64) -> None:
        if len(self._highest) and len(group):
            near = key <= self._highest[np.minimum(group, len(self._highest) - 1)]
            group, key, sums = group[near], key[near], sums[near]
        self._waiting.append((group, key, sums))
        self._count += len(group)
        if self._count > self.WAITING:
            self._settle()

    def _settle(self) -> None:
        if self._waiting:
            self._held = self._held.plus(*(np.concatenate(parts) for parts in zip(*self._waiting, strict=True)))
        self._waiting, self._count = [], 0
        groups, sizes = np.unique(self._held.group, return_counts=True)
        # One more than there are groups: those that were never seen are not full.
        self._highest = np.full(int(groups[-1]) + 2 if len(groups) else 0, np.iinfo(np.uint64).max, np.uint64)
        full = sizes == self._held.most
        self._highest[groups[full]] = self._held.key[np.cumsum(sizes)[full] - 1]

    @property
    def sampled(self) -> Sampled:
        self._settle()
        return self._held

    def replace(self, sampled: Sampled) -> None:
        self._held, self._waiting, self._count = sampled, [], 0
        self._settle()
