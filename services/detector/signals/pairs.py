"""Lockstep, second step, at an actor: pairs that met, on how many different places, against how many by chance.

A place is a target's creator, or the target where none is known. For a pair and a scale, with k places and lambda
the sum of what chance gave in the windows in which they met,

    LLR = k ln(k / lambda) - k + lambda    where k >= 2 and k > lambda, else 0

(log-likelihood ratio of a Poisson rate k against lambda).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from services.detector.signals.rows import EXPECTED
from services.detector.signals.signal import SCALES
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.slots import Slots, SlotTable

I64 = npt.NDArray[np.int64]

PLACES: Final = 8
_N: Final = len(SCALES)
_SCALES: Final = np.array(SCALES, np.int64)

# A pair that met once is one line of a cache.
_ONCE: Final = np.dtype(
    [
        ("key", np.uint64),
        ("place", np.uint64),
        ("target", np.uint64),
        ("met_at", np.int64),
        ("occurred_at", np.int64),
        ("expected", np.float32, _N),
        ("moved", np.bool_),
        ("scale", np.int8),
        ("creator_known", np.bool_),
    ]
)
_REPEATED: Final = {
    "actor": np.uint64,
    "peer": np.uint64,
    # By scale: places met on, meetings expected, the last window with a meeting and what was expected in it.
    "met": (np.int32, _N),
    "expected": (np.float64, _N),
    "window": (np.int64, _N),
    "in_window": (np.float32, _N),
    # The last places, at which scale, and the actor's own likes there.
    "places": (np.uint64, PLACES),
    "scales": (np.int8, PLACES),
    "targets": (np.uint64, PLACES),
    "place_count": np.int32,
    "creators_known": np.bool_,
    "first_at": np.int64,
    "last_at": np.int64,
}


@njit(cache=True)
def _meet_once(
    once: Any, keys: Any, rows: Any, place: Any, target: Any, met_at: Any, occurred_at: Any, scale: Any, known: Any,
    expected: Any, gone: Any, moved: Any, at: Any,
) -> int:  # fmt: skip
    """Returns how many pairs have met on a second place; what was known of them is in `moved`, the row in `at`. `gone`:
    room for a set of these: from then on, as in later batches, their meetings are none of this cache's.
    """
    count, mask, among = 0, np.uint64(len(once) - 1), np.uint64(len(gone) - 1)
    for i in range(len(rows)):
        row, key = rows[i], keys[rows[i]]
        probe = key & among
        while gone[probe] != 0 and gone[probe] != key:
            probe = (probe + np.uint64(1)) & among
        if gone[probe] == key:
            continue
        slot = key & mask
        other = slot ^ np.uint64(1)
        if once[other].key == key or (once[slot].key != key and once[other].met_at < once[slot].met_at):
            slot = other
        line = once[slot]
        again = line.key == key and not line.moved
        if again and line.place != place[row]:
            moved[count], at[count] = line, row
            count += 1
            line.moved = True
            gone[probe] = key
            continue
        # Of several meetings on one place the nearest counts.
        if not again or scale[row] < line.scale:
            line.key, line.place, line.target, line.met_at = key, place[row], target[row], met_at[row]
            line.occurred_at, line.scale, line.creator_known, line.moved = (
                occurred_at[row],
                scale[row],
                known[row],
                False,
            )
            for s in range(len(line.expected)):
                line.expected[s] = expected[row, s]
    return count


@njit(cache=True)
def _meet(
    slots: Any, rows: Any, place: Any, target: Any, met_at: Any, occurred_at: Any, scale: Any, known: Any,
    expected: Any, sizes: Any, met: Any, total: Any, window: Any, in_window: Any, places: Any, scales: Any,
    targets: Any, count: Any, all_known: Any, first_at: Any, last_at: Any, touched: Any, llr: Any, span: Any,
) -> None:  # fmt: skip
    """`llr`, `span`: how the pair stands after each row: ratios by scale; first, last, and if creators are known."""
    for i in range(len(slots)):
        slot, row = slots[i], rows[i]
        touched[slot] = max(touched[slot], met_at[row])
        first_at[slot] = min(first_at[slot], occurred_at[row]) if count[slot] else occurred_at[row]
        last_at[slot] = max(last_at[slot], occurred_at[row]) if count[slot] else occurred_at[row]
        all_known[slot] = known[row] and (all_known[slot] or count[slot] == 0)
        held = min(count[slot], places.shape[1])
        before = len(sizes)
        at = -1
        for k in range(held):
            if places[slot, k] == place[row]:
                at, before = k, scales[slot, k]
        if at < 0:
            at = count[slot] % places.shape[1]
            count[slot] += 1
            places[slot, at], targets[slot, at], scales[slot, at] = place[row], target[row], scale[row]
        for s in range(scale[row], len(sizes)):
            if expected[row, s] < 0:
                continue
            if s < before:
                met[slot, s] += 1
            here, chance = met_at[row] // sizes[s], expected[row, s]
            if here == window[slot, s] and in_window[slot, s] > 0:
                total[slot, s] += max(chance - in_window[slot, s], 0.0)
                in_window[slot, s] = max(chance, in_window[slot, s])
            else:
                total[slot, s] += chance
                window[slot, s], in_window[slot, s] = here, chance
        scales[slot, at] = min(scales[slot, at], scale[row])
        span[i, 0], span[i, 1], span[i, 2] = first_at[slot], last_at[slot], all_known[slot]
        for s in range(len(sizes)):
            places_met, usual = float(met[slot, s]), max(total[slot, s], 0.001)
            beyond = places_met >= 2 and places_met > usual
            llr[i, s] = places_met * np.log(places_met / usual) - places_met + usual if beyond else 0.0


_NONE: Final = (np.zeros(0, np.int64), np.zeros((0, _N), np.float32), np.zeros((0, 3), np.int64))


@dataclass(frozen=True)
class Grown:
    """Meetings of pairs that have met before, in order. Shapes (n,): which, of those that were taken in; whose; and
    how the pair stood after it: log-likelihood ratios by scale (n, 4); span (n, 3): first, last (ms), creators known.
    """

    which: I64
    actor: U64
    peer: U64
    llr: npt.NDArray[np.float32]
    span: I64


class Pairs:
    """Meetings of the actors of one partition with anyone."""

    def __init__(self, max_pairs: int) -> None:
        # Meetings taken in at once: a full table makes room by a quarter, so more would take it beyond its bound.
        self.batch = max(max_pairs // 16, 1024)
        # Nearly all pairs meet on one place and never again, so little is kept of them: two pairs of keys that fall
        # together share two lines, and the one that met longest ago gives way to a third.
        self.once = np.zeros(1 << int(np.log2(max(max_pairs, 1024))), _ONCE)
        # At its full size at once: to grow means to write every row anew.
        self.repeated = SlotTable(_REPEATED, max_pairs // 4, max_pairs // 4)

    def meet(self, meetings: pa.RecordBatch) -> Grown:
        """Take in meetings in order of when they met. Returns those of pairs that have met on more than one place."""
        rows = _Columns.of(meetings)
        parts = [
            self._take(rows, np.arange(start, min(start + self.batch, len(rows.key)), dtype=np.int64))
            for start in range(0, len(rows.key), self.batch)
        ]
        which, llr, span = (np.concatenate(columns) for columns in zip(*(parts or [_NONE]), strict=True))
        return Grown(which, rows.actor[which], rows.peer[which], llr, span)

    def _take(self, rows: _Columns, which: I64) -> tuple[I64, Any, I64]:
        keys = rows.key[which]
        rest = which[self.repeated.find(keys) < 0]
        moved, at = np.empty(len(rest), _ONCE), np.empty(len(rest), np.int64)
        gone = np.zeros(1 << (2 * len(rest) + 1).bit_length(), np.uint64)
        count = _meet_once(self.once, rows.key, rest, *rows.facts, gone, moved, at)
        order = np.argsort(moved["key"][:count])
        moved, at = moved[:count][order], at[:count][order]
        self._move(moved, rows, at)
        slots = self.repeated.find(keys)
        known = slots >= 0
        if count:
            # What a pair did before it moved is known from `once` alone, whether or not it came in this batch.
            place = np.minimum(np.searchsorted(moved["key"], keys), count - 1)
            known &= (moved["key"][place] != keys) | (which >= at[place])
        return which[known], *self._meet(slots[known], which[known], rows.facts)

    def _meet(self, slots: Slots, rows: I64, facts: tuple[Any, ...]) -> tuple[Any, I64]:
        table = self.repeated
        columns = [table[name] for name in _REPEATED if name not in ("actor", "peer")]
        llr, span = np.empty((len(slots), _N), np.float32), np.empty((len(slots), 3), np.int64)
        _meet(slots, rows, *facts, _SCALES, *columns, table["touched"], llr, span)
        return llr, span

    def _move(self, moved: Any, rows: _Columns, at: I64) -> None:
        """From `once` to `repeated`. `at` is a row of each pair."""
        slots, _ = self.repeated.insert(moved["key"])
        self.repeated["actor"][slots], self.repeated["peer"][slots] = rows.actor[at], rows.peer[at]
        names = ("place", "target", "met_at", "occurred_at", "scale", "creator_known", "expected")
        self._meet(slots, np.arange(len(slots)), tuple(np.ascontiguousarray(moved[name]) for name in names))

    def expire(self, before_ms: int) -> None:
        self.once[self.once["met_at"] < before_ms] = np.zeros(1, _ONCE)
        self.repeated.expire(before_ms)

    def forget(self, actors: U64) -> int:
        """Forget the pairs of these actors, and others' pairs with them that met more than once. Returns how many."""
        used = self.repeated.occupied()
        gone = np.isin(self.repeated["actor"][used], actors) | np.isin(self.repeated["peer"][used], actors)
        if gone.any():
            self.repeated.keep(used[~gone])
        return int(gone.sum())

    def snapshot(self) -> Arrays:
        used = np.flatnonzero(self.once["key"])
        return {"once.at": used, "once.lines": self.once[used].view(np.uint8), **self.repeated.snapshot("repeated")}

    def restore(self, arrays: Arrays) -> None:
        self.once[:] = np.zeros(1, _ONCE)
        self.once[arrays["once.at"]] = arrays["once.lines"].view(_ONCE)
        self.repeated.restore("repeated", arrays)


@dataclass(frozen=True)
class _Columns:
    """Meetings as arrays: keys of the pairs, and the facts in the order of `_ONCE`."""

    key: U64
    actor: U64
    peer: U64
    facts: tuple[Any, ...]

    @classmethod
    def of(cls, meetings: pa.RecordBatch) -> _Columns:
        actor, peer = meetings.column("actor").to_numpy(), meetings.column("peer").to_numpy()
        known = meetings.column("creator_known").to_numpy(zero_copy_only=False)
        place, target, met_at, occurred_at, scale = (
            meetings.column(name).to_numpy() for name in ("place", "target", "met_at", "occurred_at", "scale")
        )
        expected = np.stack([meetings.column(name).to_numpy() for name in EXPECTED], axis=1)
        return cls(mix(actor, peer), actor, peer, (place, target, met_at, occurred_at, scale, known, expected))
