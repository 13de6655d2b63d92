"""What stands against each actor: by signal, the strongest that was found, from when to when.

What it holds depends on the set of findings, not on their order. How somebody stands in lockstep replaces how they
stood: it follows from all of their meetings.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.detector.signals import SIGNALS
from services.detector.signals.signal import SCALES, Findings
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.slots import Slots, SlotTable

I64 = npt.NDArray[np.int64]

LOCKSTEP: Final = "lockstep"
# Codes of what can stand against an actor: lockstep by scale, then the other signals. Those of one family are one
# witness.
CODES: Final = (*(LOCKSTEP for _ in SCALES), *(signal.name for signal in SIGNALS))
_WITNESSES: Final = (*(LOCKSTEP for _ in SCALES), *(signal.family for signal in SIGNALS))
FAMILIES: Final = np.array([sorted(set(_WITNESSES)).index(witness) for witness in _WITNESSES], np.int64)
# Less of a bar is not worth a row.
WORTH_KEEPING: Final = 0.5
_CODE_OF: Final = {name: code for code, name in enumerate(CODES)}

_COLUMNS: Final = {
    "actor": np.uint64,
    "target": np.uint64,
    "code": np.int8,
    "strength": np.float64,
    "convicting": np.float64,
    "value": np.float64,
    "baseline": np.float64,
    "first_at": np.int64,
    "last_at": np.int64,
}


def of_frame(batch: pa.RecordBatch) -> tuple[Findings, npt.NDArray[np.int8]]:
    """Findings of a frame (schema `schemas.FINDINGS`), and the code of each one's signal."""
    plain = [batch.column(f.name).to_numpy(zero_copy_only=f.name != "convicts") for f in dataclasses.fields(Findings)]
    return Findings(*plain), np.array([_CODE_OF[name] for name in batch.column("signal").to_pylist()], np.int8)


@dataclass(frozen=True)
class Accused:
    """Accusations of some likes. Shapes (likes, codes): slots, -1 where there is none; see `Accusations.against`."""

    slots: Slots
    strength: npt.NDArray[np.float64]
    convicts: npt.NDArray[np.bool_]


class Accusations:
    """Of the actors of one partition, at most `max_rows`."""

    def __init__(self, max_rows: int, grace_ms: int) -> None:
        self.table = SlotTable(_COLUMNS, max_rows)
        self.actors = SlotTable({}, max_rows)
        # Codes that have ever stood against likes of one target alone.
        self._of_targets = np.zeros(len(CODES), np.bool_)
        # Likes up to this much later are covered too: an account goes on until it is caught.
        self.grace_ms = grace_ms

    def add(self, found: Findings, code: npt.NDArray[np.int8]) -> U64:
        """Take in findings, each of the signal with that code. Returns the actors about whom something changed,
        sorted.
        """
        if len(found) == 0:
            return np.zeros(0, np.uint64)
        actor, target, strength, value, baseline = (
            found.actor, found.target, found.strength, found.value, found.baseline
        )  # fmt: skip
        first_at, last_at = found.first_at, found.last_at
        convicting = np.where(found.convicts, strength, 0.0)
        slots, new = self.table.insert(_key(actor, target, code))
        t = self.table
        before = [t[name][slots].copy() for name in ("strength", "convicting", "first_at", "last_at")]
        t["actor"][slots], t["target"][slots], t["code"][slots] = actor, target, code
        t["first_at"][slots[new]], t["last_at"][slots[new]] = first_at[new], last_at[new]
        np.minimum.at(t["first_at"], slots, first_at)
        np.maximum.at(t["last_at"], slots, last_at)
        np.maximum.at(t["touched"], slots, last_at)
        np.maximum.at(t["convicting"], slots, convicting)
        # In order of what they say, so that the strongest is what stays.
        order = np.lexsort((baseline, value, strength))
        stronger = strength > t["strength"][slots]
        stronger |= (strength == t["strength"][slots]) & (value >= t["value"][slots])
        order = order[stronger[order]]
        for name, values in (("value", value), ("baseline", baseline), ("strength", strength)):
            t[name][slots[order]] = values[order]
        self._of_targets[code[target != 0]] = True
        known, _ = self.actors.insert(actor)
        np.maximum.at(self.actors["touched"], known, last_at)
        after = [t[name][slots] for name in ("strength", "convicting", "first_at", "last_at")]
        changed = new | np.logical_or.reduce([a != b for a, b in zip(before, after, strict=True)])
        return np.unique(actor[changed])

    def replace(self, found: Findings, code: int) -> U64:
        """What stands now of one code, in place of what stood. Returns the actors about whom something changed."""
        codes = np.full(len(found), code, np.int8)
        keys = _key(found.actor, found.target, codes)
        kept = np.flatnonzero((found.strength >= WORTH_KEEPING) | (self.table.find(keys) >= 0))
        slots, new = self.table.insert(keys[kept])
        t = self.table
        now = {
            "strength": found.strength[kept],
            "convicting": np.where(found.convicts[kept], found.strength[kept], 0.0),
            "first_at": found.first_at[kept],
            "last_at": found.last_at[kept],
        }
        changed = new.copy()
        for name, values in now.items():
            changed |= t[name][slots] != values
            t[name][slots] = values
        t["actor"][slots], t["target"][slots], t["code"][slots] = found.actor[kept], found.target[kept], code
        t["value"][slots], t["baseline"][slots] = found.value[kept], found.baseline[kept]
        t["touched"][slots] = now["last_at"]
        known, _ = self.actors.insert(found.actor[kept])
        np.maximum.at(self.actors["touched"], known, now["last_at"])
        return np.unique(found.actor[kept][changed])

    def any(self, actors: U64) -> npt.NDArray[np.bool_]:
        """Whether anything stands against each. Shape (n,)."""
        return self.actors.find(actors) >= 0

    def against(self, actors: U64, targets: U64, times: I64) -> Accused:
        """What stands against likes, of any strength. Shapes (n,)."""
        t, n = self.table, len(actors)
        slots = np.full((n, len(CODES)), -1, np.int64)
        codes = np.arange(len(CODES), dtype=np.int8)
        for target, asked in ((np.zeros(n, np.uint64), codes), (targets, codes[self._of_targets])):
            if not len(asked):
                continue
            keys = _key(np.repeat(actors, len(asked)), np.repeat(target, len(asked)), np.tile(asked, n))
            found = t.find(keys).reshape(n, len(asked))
            until = t["last_at"][found] + self.grace_ms
            covered = (found >= 0) & (t["first_at"][found] <= times[:, None]) & (times[:, None] <= until)
            known = slots[:, asked]
            better = covered & ((known < 0) | (t["strength"][found] > t["strength"][known]))
            slots[:, asked] = np.where(better, found, known)
        strength = np.where(slots >= 0, t["strength"][slots], 0.0)
        return Accused(slots, strength, (slots >= 0) & (t["convicting"][slots] >= 1))

    def of(self, slot: int) -> dict[str, Any]:
        """One accusation."""
        return {name: self.table[name][slot].item() for name in _COLUMNS}

    def expire(self, before_ms: int) -> bool:
        self.table.expire_once(before_ms)
        return self.actors.expire_once(before_ms)

    def forget(self, actors: U64) -> int:
        used = self.table.occupied()
        self.table.keep(used[~np.isin(self.table["actor"][used], actors)])
        return self.actors.drop(actors)

    def snapshot(self) -> Arrays:
        of_targets = {"accusations.of_targets": self._of_targets.copy()}
        return {**self.table.snapshot("accusations"), **self.actors.snapshot("accused"), **of_targets}

    def restore(self, arrays: Arrays) -> None:
        self.table.restore("accusations", arrays)
        self.actors.restore("accused", arrays)
        self._of_targets = arrays["accusations.of_targets"].copy()


def _key(actor: U64, target: U64, code: npt.NDArray[np.int8]) -> U64:
    return mix(mix(actor, target), code.astype(np.uint64) + np.uint64(1))
