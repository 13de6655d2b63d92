"""Ids behind hashes: stages count by hash, what they publish names accounts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared.checkpoints import Arrays, pack, unpack
from shared.hashing import U64
from shared.slots import SlotTable


class Names:
    """At most `max_rows` ids, those last seen."""

    def __init__(self, max_rows: int) -> None:
        self._table = SlotTable({"id": object}, max_rows)

    def add(self, hashes: U64, ids: pa.Array, times: npt.NDArray[np.int64]) -> None:
        """Remember the ids behind these hashes, seen at `times` (ms). Shapes (n,)."""
        slots, new = self._table.insert(hashes)
        if new.any():
            self._table["id"][slots[new]] = ids.filter(pa.array(new)).to_numpy(zero_copy_only=False)
        np.maximum.at(self._table["touched"], slots, times)

    def of(self, hashes: U64) -> npt.NDArray[np.object_]:
        """Ids, None where none is known. Shape (n,)."""
        slots = self._table.find(hashes)
        found: npt.NDArray[np.object_] = self._table["id"][slots]
        found[slots < 0] = None
        return found

    def expire(self, before_ms: int) -> bool:
        """Forget ids that were not seen since; once for each time. Returns whether that was done now."""
        return self._table.expire_once(before_ms)

    def forget(self, hashes: U64) -> int:
        return self._table.drop(hashes)

    def snapshot(self, prefix: str) -> Arrays:
        arrays = self._table.snapshot(prefix)
        return {**arrays, f"{prefix}.id": pack(arrays[f"{prefix}.id"].tolist())}

    def restore(self, prefix: str, arrays: Arrays) -> None:
        ids = np.array([*unpack(arrays[f"{prefix}.id"]), None], object)[:-1]
        self._table.restore(prefix, {**arrays, f"{prefix}.id": ids})
