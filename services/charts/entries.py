"""Ids of targets and creators: each once, by number, as long as a chart or a remembered like is of it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared.checkpoints import Arrays, pack, unpack
from shared.hashing import U64
from shared.slots import SlotTable

I64 = npt.NDArray[np.int64]

UNNAMED: Final = -2
_UNBOUNDED: Final = 1 << 62


class EntryNames:
    """A number is given again when nothing has it any more; nothing depends on which number an entry has."""

    LEAST_CAPACITY = 1024

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._numbers = SlotTable({"number": np.int64}, _UNBOUNDED)
        self._free: list[int] = []
        self._sweep_at = self.LEAST_CAPACITY
        # By number: the hash of the id, and of how many cells and remembered likes it is.
        self.hashes: I64 = np.zeros(self.LEAST_CAPACITY, np.int64)
        self.uses: I64 = np.zeros(self.LEAST_CAPACITY, np.int64)

    def __len__(self) -> int:
        return len(self._numbers)

    def find(self, hashes: U64) -> I64:
        """The number of each, UNNAMED where it has none. Shape (n,)."""
        slots = self._numbers.find(hashes)
        found: I64 = np.where(slots >= 0, self._numbers["number"][slots], UNNAMED)
        return found

    def add(self, hashes: U64, ids: pa.Array) -> None:
        """Give those that have no number one. Shapes (n,)."""
        slots, new = self._numbers.insert(hashes)
        at = np.flatnonzero(new)
        names = ids.take(pa.array(at)).to_pylist()
        again = min(len(at), len(self._free))
        numbers = [self._free.pop() for _ in range(again)] + list(range(len(self.ids), len(self.ids) + len(at) - again))
        self.ids += [""] * (len(at) - again)
        for number, name in zip(numbers, names, strict=True):
            self.ids[number] = name
        self._numbers["number"][slots[at]] = numbers
        self._make_room()
        self.hashes[numbers] = hashes[at].view(np.int64)

    def _make_room(self) -> None:
        lacking = len(self.ids) - len(self.uses)
        if lacking > 0:
            more = max(lacking, len(self.uses))
            self.hashes, self.uses = np.pad(self.hashes, (0, more)), np.pad(self.uses, (0, more))

    def sweep(self) -> None:
        """What nothing is of any more goes, when it may be as much as the rest."""
        if len(self) < self._sweep_at:
            return
        used = self._numbers.occupied()
        alive = self.uses[self._numbers["number"][used]] > 0
        for number in self._numbers["number"][used[~alive]].tolist():
            self.ids[number] = ""
            self._free.append(number)
        self._numbers.keep(used[alive])
        self._sweep_at = 2 * len(self) + self.LEAST_CAPACITY

    def snapshot(self, prefix: str) -> Arrays:
        return {
            **self._numbers.snapshot(prefix),
            f"{prefix}.ids": pack(self.ids),
            f"{prefix}.uses": self.uses[: len(self.ids)].copy(),
            f"{prefix}.free": np.array(self._free, np.int64),
        }

    def restore(self, prefix: str, arrays: Arrays) -> None:
        self._numbers.restore(prefix, arrays)
        self.ids, self._free = unpack(arrays[f"{prefix}.ids"]), arrays[f"{prefix}.free"].tolist()
        size = max(len(self.ids), self.LEAST_CAPACITY)
        self.hashes, self.uses = np.zeros(size, np.int64), np.zeros(size, np.int64)
        used = self._numbers.occupied()
        self.hashes[self._numbers["number"][used]] = self._numbers.keys[used].view(np.int64)
        self.uses[: len(self.ids)] = arrays[f"{prefix}.uses"]
        self._sweep_at = 2 * len(self) + self.LEAST_CAPACITY
