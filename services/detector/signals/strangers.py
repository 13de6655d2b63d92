"""Crowds of strangers: of a target's likers within six hours, how many nobody has seen before.

One-like and throwaway accounts share nothing but their target, so pairs do not show them. A stranger was first seen,
or made its account, less than a day before the like, and has at most two likes up to a day after it: the verdict comes
with that day. k strangers of n likers convict where the binomial likelihood ratio against what is usual
(`stranger_share`) says so; of k where e come along anyway each is honest with e/k. Measured: docs/detector.md.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
from numba import njit

from services.detector.signals.distinct import REGISTERS, estimate, note
from services.detector.signals.likelihood_ratio import binomials
from services.detector.signals.signal import F64, I64, NOTHING, Bools, Findings, Key, Rows, joined
from services.detector.signals.stranger_share import (
    BAR,
    FEWEST_LIKERS,
    LEAST_SHARE,
    Usual,
    expected_strangers,
    strength,
    usual_share,
)
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.slots import SlotTable

DAY_MS: Final = 86_400_000
MOST_LIKES: Final = 2
# A window of six hours is three parts, and begins with each: so that most of a crowd lies within one, whenever it came.
PARTS: Final = 3
PART_MS: Final = 2 * 3_600_000
# A sketch of different likers is never so many times below the truth: more likes than that are the same accounts'.
SKETCH_ERROR: Final = 2.0


@njit(cache=True)
def _count(at: Any, actor: Any, new: Any, slots: Any, touched: Any, n: Any, k: Any, sketch: Any) -> None:
    for i in range(len(at)):
        s = slots[i]
        touched[s] = at[i]
        n[s] += 1
        k[s] += new[i]
        note(sketch[s], actor[i])


@njit(cache=True)
def _likers(n: Any, k: Any, sketch: Any, parts: Any) -> Any:
    """Likers and provisional strangers of windows, `parts` (m, 3): slots, -1 where there is none. Who likes again and
    again is one: else a single account could hide a crowd. Two arrays of shape (m,).
    """
    many, strangers = np.zeros(len(parts)), np.zeros(len(parts))
    for i in range(len(parts)):
        for s in parts[i]:
            if s >= 0:
                many[i] += n[s]
                strangers[i] += k[s]
        if many[i] >= FEWEST_LIKERS:
            different = estimate(sketch, parts[i])
            if many[i] > SKETCH_ERROR * different:
                many[i] = max(different, strangers[i])
    return many, strangers


class Strangers:
    """State of one partition: likers by target and part of a window, and strangers of the day that is settled; at most
    `max_rows` of either. Strangers beyond are counted in `unlisted`: nothing is said of them.
    """

    name: str = "strangers"
    key: Key = "target"
    family: str = "strangers"

    def __init__(self, max_rows: int = 1_000_000) -> None:
        columns = {"target": np.uint64, "part": np.int64, "n": np.int64, "k": np.int64, "settled": np.int64}
        self.table = SlotTable({**columns, "kept": np.bool_, "sketch": (np.uint8, REGISTERS)}, max_rows)
        self.max_rows, self.unlisted = max_rows, 0
        self.usual = Usual()
        # The parts that likes are now counted in, and that was settled last.
        self.part = self.settled = -1
        # By part that is to be settled: likes, strangers' likes, windows in which no crowd of strangers can be found.
        self.totals: dict[int, list[int]] = {}
        # Strangers that are to be settled: shape (m,).
        self.actor: U64 = np.zeros(0, np.uint64)
        self.target: U64 = np.zeros(0, np.uint64)
        self.at: I64 = np.zeros(0, np.int64)

    def observe(self, rows: Rows, now: int) -> Findings:
        """Likes, and a day after them strangers' once more (`settled`), each in order of time among its own."""
        found, due = [], (now - DAY_MS) // PART_MS
        new = _new(rows)
        for part, likes in _by_part(rows, ~rows.settled & ~rows.unlike):
            if part != self.part:
                self._close()
                self.part = part
            self._take(rows.take(likes), new[likes] & (rows.actor_likes[likes] <= MOST_LIKES))
        if 0 <= self.part < due:
            self._close()
        for part, likes in _by_part(rows, rows.settled & ~rows.unlike & new):
            found.append(self._settle(part))
            self._list(rows.take(likes), part)
        return joined([*found, self._settle(due)])

    def _take(self, likes: Rows, new: Bools) -> None:
        t = self.table
        slots, _ = t.insert(_key(likes.target, self.part))
        t["target"][slots], t["part"][slots] = likes.target, self.part
        _count(likes.occurred_at, likes.actor, new, slots, t["touched"], t["n"], t["k"], t["sketch"])
        self._total(self.part)[0] += len(likes)

    def _total(self, part: int) -> list[int]:
        return self.totals.setdefault(part, [0, 0, 0])

    def _windows(self, targets: U64, last: int) -> I64:
        """Slots of the parts of the targets' windows that end with `last`. Shape (n, 3)."""
        return np.stack([self.table.find(_key(targets, last - back)) for back in range(PARTS)], axis=1)

    def _likers(self, windows: I64) -> tuple[F64, F64, Bools]:
        """Likers, provisional strangers, and where a crowd of strangers may yet be found: who turns out to be one was
        one provisionally, and no usual share is below the least.
        """
        many, strangers = _likers(self.table["n"], self.table["k"], self.table["sketch"], windows)
        return many, strangers, (many >= FEWEST_LIKERS) & (binomials(strangers, many, LEAST_SHARE) >= BAR)

    def _close(self) -> None:
        """The present part is over: of what lies in no more window to come, only possible crowds are kept."""
        if self.part < 0:
            return
        t, used = self.table, self.table.occupied()
        here = used[t["part"][used] == self.part]
        windows = self._windows(t["target"][here], self.part)
        many, _, may_be = self._likers(windows)
        self._total(self.part)[2] = int(((many >= FEWEST_LIKERS) & ~may_be).sum())
        t["kept"][windows[may_be][windows[may_be] >= 0]] = True
        alive = t["kept"][used] | (t["part"][used] > self.part - PARTS + 1)
        if not alive.all():
            t.keep(used[alive])
        self.part = -1

    def _list(self, likes: Rows, part: int) -> None:
        """Strangers' likes of one part, where even all provisional strangers together would be a crowd."""
        # What comes for a part that is settled has come too late.
        if part <= self.settled:
            return
        self._total(part)[1] += len(likes)
        here = self.table.find(_key(likes.target, part))
        np.add.at(self.table["settled"], here[here >= 0], 1)
        # The share may yet become less until the part is settled.
        share = 0.9 * usual_share(self.usual.likes, self.usual.strangers, 0.0, 0.0)
        may_be = np.zeros(len(likes), np.bool_)
        for last in range(part, part + PARTS):
            many, strangers, _ = self._likers(self._windows(likes.target, last))
            may_be |= (many >= FEWEST_LIKERS) & (binomials(strangers, many, share) >= BAR)
        some = np.flatnonzero(may_be)
        listed = some[: max(self.max_rows - len(self.at), 0)]
        self.unlisted += len(some) - len(listed)
        self.actor = np.r_[self.actor, likes.actor[listed]]
        self.target = np.r_[self.target, likes.target[listed]]
        self.at = np.r_[self.at, likes.occurred_at[listed]]

    def _settle(self, before: int) -> Findings:
        """Windows that end before this part are judged, each against what was learnt until then."""
        due = sorted(p for p in self.totals if self.settled < p < before)
        return joined([self._settle_part(p) for p in due]) if due else NOTHING

    def _settle_part(self, part: int) -> Findings:
        within = np.flatnonzero(self.at >= (part - PARTS + 1) * PART_MS)
        score, k, expected = self._judge(self.actor[within], self.target[within], part)
        crowd = within[score >= 1]
        target, at = self.target[crowd], self.at[crowd]
        score, k, expected = score[score >= 1], k[score >= 1], expected[score >= 1]
        found = Findings(self.actor[crowd], target, score, np.ones(len(crowd), np.bool_), k, expected, at, at)
        self._learn(part, np.unique(target), int((at >= part * PART_MS).sum()))
        later = part - PARTS + 2
        self._keep(self.at >= later * PART_MS)
        self.totals = {p: counts for p, counts in self.totals.items() if p >= later}
        used = self.table.occupied()
        if (self.table["part"][used] < later).any():
            self.table.keep(used[self.table["part"][used] >= later])
        self.settled = part
        return found

    def _judge(self, actor: U64, target: U64, part: int) -> tuple[F64, F64, F64]:
        """By stranger, of the window that ends with `part`: score over its bar, strangers, how many come anyway."""
        targets, which = np.unique(target, return_inverse=True)
        once = np.unique(np.c_[which.astype(np.uint64), actor], axis=0)[:, 0].astype(np.int64)
        k = np.bincount(once, minlength=len(targets)).astype(np.float64)
        many = np.maximum(self._likers(self._windows(targets, part))[0], k)
        total, strangers, _ = np.sum([self.totals.get(part - back, [0, 0, 0]) for back in range(PARTS)], axis=0)
        others = np.maximum(total - many, 0), np.maximum(strangers - k, 0)
        share = usual_share(self.usual.likes, self.usual.strangers, *others)
        score = strength(k, many, share, self.usual.spread)
        return score[which], k[which], expected_strangers(k, many, share)[which]

    def _learn(self, part: int, crowded: U64, of_crowds: int) -> None:
        """A crowd must not make the next one usual. `crowded`: targets; `of_crowds`: strangers' likes of them."""
        t, used = self.table, self.table.occupied()
        here = used[t["part"][used] == part]
        crowd = np.isin(t["target"][here], crowded)
        windows = self._windows(t["target"][here[~crowd]], part)
        many, _, may_be = self._likers(windows)
        settled = np.where(windows >= 0, t["settled"][windows], 0).sum(axis=1)
        shares = np.minimum(settled / np.maximum(many, 1), 1.0)[may_be]
        likes, strangers, none = self.totals[part]
        self.usual.learn(likes - int(t["n"][here[crowd]].sum()), strangers - of_crowds, shares, none)

    def _keep(self, which: Bools) -> None:
        self.actor, self.target, self.at = self.actor[which], self.target[which], self.at[which]

    @staticmethod
    def sentence(value: float, baseline: float) -> str:
        return (
            f"One of {value:,.0f} accounts that nobody had seen before and that hardly liked anything else, "
            f"on one target within six hours, where {baseline:,.1f} would be usual."
        )

    def expire(self, before_ms: int) -> None:
        self.table.expire(before_ms)

    def forget(self, actors: U64) -> None:
        self._keep(~np.isin(self.actor, actors))

    def snapshot(self) -> Arrays:
        return {
            **self.table.snapshot("windows"),
            "usual": self.usual.packed(),
            "totals": np.array([(p, *self.totals[p]) for p in sorted(self.totals)], np.int64).reshape(-1, 4),
            "parts": np.array([self.part, self.settled, self.unlisted]),
            "actor": self.actor,
            "target": self.target,
            "at": self.at,
        }

    def restore(self, arrays: Arrays) -> None:
        self.table.restore("windows", arrays)
        self.usual.unpack(arrays["usual"])
        self.totals = {p: counts for p, *counts in arrays["totals"].tolist()}
        self.part, self.settled, self.unlisted = arrays["parts"].tolist()
        self.actor, self.target, self.at = arrays["actor"], arrays["target"], arrays["at"]


def _new(rows: Rows) -> Bools:
    """Whose actor was first seen, or made its account, less than a day before the like. Shape (n,)."""
    young = (rows.actor_created_at >= 0) & (rows.occurred_at - rows.actor_created_at < DAY_MS)
    return young | (rows.occurred_at - rows.first_seen < DAY_MS)


def _by_part(rows: Rows, which: Bools) -> list[tuple[int, I64]]:
    """Parts of these rows, in order, and the rows of each."""
    some = np.flatnonzero(which)
    parts = rows.occurred_at[some] // PART_MS
    edges = [0, *(np.flatnonzero(np.diff(parts)) + 1), len(some)] if len(some) else [0]
    return [(int(parts[start]), some[start:stop]) for start, stop in pairwise(edges)]


def _key(targets: U64, part: int) -> U64:
    # The parts before the first have keys as well.
    return mix(targets, np.full(len(targets), part + PARTS, np.uint64))
