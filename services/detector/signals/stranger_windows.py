"""Who comes to a target now: likers of each target and part of a window, and provisional strangers among them."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from services.detector.signals.chains import Chains, follow, push
from services.detector.signals.distinct import REGISTERS, estimate, note
from services.detector.signals.likelihood_ratio import binomials
from services.detector.signals.signal import F64, I64, Bools, Findings, Rows, joined
from services.detector.signals.stranger_share import (
    BAR,
    DAY_MS,
    FEWEST_LIKERS,
    LEAST_SHARE,
    PARTS,
    SKETCH_ERROR,
    Usual,
    expected_strangers,
    strength,
    usual_share,
)
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.slots import SlotTable

MOST_LIKES: Final = 2
# What counts for the present part: likes learnt, strangers' among them, the share that few windows exceed; and its own
# likes, and strangers' among them.
LEARNT_N, LEARNT_K, SPREAD, PART_N, PART_K = range(5)


def new_here(rows: Rows) -> Bools:
    """Whose actor was first seen, or made its account, less than a day before the like. Shape (n,)."""
    young = (rows.actor_created_at >= 0) & (rows.occurred_at - rows.actor_created_at < DAY_MS)
    return young | (rows.occurred_at - rows.first_seen < DAY_MS)


@njit(cache=True)
def likers(n: Any, k: Any, sketch: Any, parts: Any) -> Any:
    """Likers of a window of these parts, and strangers. One who likes again and again is one: else a single account
    could hide a crowd. `parts` are slots, -1 where there is none.
    """
    many, strangers = 0, 0
    for s in parts:
        if s >= 0:
            many, strangers = many + n[s], strangers + k[s]
    if many < FEWEST_LIKERS:
        return float(many), float(strangers)
    different = SKETCH_ERROR * estimate(sketch, parts)
    return max(min(float(many), different), float(strangers)), float(strangers)


@njit(cache=True)
def likers_of(n: Any, k: Any, sketch: Any, parts: Any) -> Any:
    """`likers` of many windows, `parts` of shape (m, 3): two arrays of shape (m,)."""
    many, strangers = np.empty(len(parts)), np.empty(len(parts))
    for i in range(len(parts)):
        many[i], strangers[i] = likers(n, k, sketch, parts[i])
    return many, strangers


@njit(cache=True)
def _count(
    at: Any,
    actor: Any,
    stranger: Any,
    parts: Any,
    touched: Any,
    n: Any,
    k: Any,
    head: Any,
    level: Any,
    sketch: Any,
    share: Any,
    ring: Any,
) -> Any:
    """Take in likes of one part. Returns by like: strength (0: nothing found), strangers, expected, level reached
    (0: no new one).
    """
    of, when, earlier, newest = ring
    found = np.zeros((len(at), 3))
    reached = np.zeros(len(at), np.int64)
    for i in range(len(at)):
        s = parts[i, 0]
        touched[s] = at[i]
        n[s] += 1
        share[PART_N] += 1
        note(sketch[s], actor[i])
        if not stranger[i]:
            continue
        k[s] += 1
        share[PART_K] += 1
        head[s] = push(of, when, earlier, newest, actor[i], at[i], head[s])
        others_n, others_k = share[PART_N] - n[s], share[PART_K] - k[s]
        usual = usual_share(share[LEARNT_N], share[LEARNT_K], others_n, others_k)
        many, strangers = likers(n, k, sketch, parts[i])
        score = strength(strangers, many, usual, share[SPREAD])
        if score < 1.0:
            continue
        found[i] = score, strangers, expected_strangers(strangers, many, usual)
        now_at = int(math.log2(score)) + 1
        if now_at > level[s]:
            level[s] = reached[i] = now_at
    return found, reached


def may_be_crowd(many: F64, strangers: F64) -> Bools:
    """Who turns out to be a stranger was one provisionally, and no share is below the least: elsewhere no verdict."""
    return (many >= FEWEST_LIKERS) & (binomials(strangers, many, LEAST_SHARE) >= BAR)


class Windows:
    """Likers by target and part. At most `max_rows` parts of targets, and as many strangers, are kept."""

    def __init__(self, max_rows: int) -> None:
        columns = {"target": np.uint64, "part": np.int64, "n": np.int64, "k": np.int64, "head": np.int64}
        more = {"level": np.int64, "settled": np.int64, "kept": np.bool_, "sketch": (np.uint8, REGISTERS)}
        self.table = SlotTable({**columns, **more}, max_rows)
        self.chains = Chains(max_rows)
        self.usual = Usual()
        self.share = np.zeros(5)
        # Windows with enough likers, by their last part, in which no crowd of strangers can be found.
        self.plain: dict[int, int] = {}
        self.part = -1
        # Number of the first stranger in each of the last parts, the latest last.
        self.since = np.ones(PARTS, np.int64)

    def observe(self, rows: Rows, parts: I64) -> Findings:
        """Likes in order of time, with the part that each lies in."""
        stranger = new_here(rows) & (rows.actor_likes <= MOST_LIKES)
        edges = [0, *(np.flatnonzero(np.diff(parts)) + 1), len(rows)] if len(rows) else [0]
        found = []
        for start, stop in pairwise(edges):
            part = int(parts[start])
            if part != self.part:
                self.close()
                self.part = part
                self.since = np.array([*self.since[1:], self.chains.newest[0] + 1])
            found.append(self._observe_part(rows.take(slice(start, stop)), stranger[start:stop]))
        return joined(found)

    def _observe_part(self, rows: Rows, stranger: Bools) -> Findings:
        slots, _ = self.table.insert(part_key(rows.target, self.part))
        parts = self.parts(rows.target, self.part)
        t, ring = self.table, self._ring()
        t["target"][slots], t["part"][slots] = rows.target, self.part
        state = (t["touched"], t["n"], t["k"], t["head"], t["level"], t["sketch"], self.share, ring)
        found, reached = _count(rows.occurred_at, rows.actor, stranger, parts, *state)
        single = np.flatnonzero((found[:, 0] > 0) & (reached == 0))
        all_found = [_findings(rows.actor[single], rows.target[single], rows.occurred_at[single], found[single])]
        # Who came before a level was reached is spoken against as strongly as who came then.
        for i in np.flatnonzero(reached):
            _, actors, times = follow(t["head"][parts[i][parts[i] >= 0]], *ring)
            came = times <= rows.occurred_at[i]
            targets, said = np.full(came.sum(), rows.target[i]), np.repeat(found[[i]], came.sum(), axis=0)
            all_found.append(_findings(actors[came], targets, times[came], said))
        return joined(all_found)

    def _ring(self) -> tuple[Any, ...]:
        return self.chains.actor, self.chains.at, self.chains.before, self.chains.newest

    def parts(self, targets: U64, last: int) -> I64:
        """Slots of the parts of the targets' windows that end with `last`, this one first; -1 where nothing is kept.
        Shape (n, 3).
        """
        return np.stack([self.find(targets, last - back) for back in range(PARTS)], axis=1)

    def close(self) -> None:
        """The present part is over: learn it, and drop what lies in no window in which a crowd may yet be found."""
        if self.part < 0:
            return
        t, used = self.table, self.table.occupied()
        parts = t["part"][used]
        here = used[parts == self.part]
        windows = self.parts(t["target"][here], self.part)
        many, strangers = likers_of(t["n"], t["k"], t["sketch"], windows)
        calm, large = t["level"][here] == 0, many >= FEWEST_LIKERS
        shares = (strangers / np.maximum(many, 1))[calm & large]
        self.usual.learn(int(t["n"][here[calm]].sum()), int(t["k"][here[calm]].sum()), shares)
        self.share[:] = self.usual.likes, self.usual.strangers, self.usual.spread, 0, 0
        may_be = may_be_crowd(many, strangers)
        self.plain[self.part] = int((large & ~may_be).sum())
        of_crowds = windows[may_be].ravel()
        t["kept"][of_crowds[of_crowds >= 0]] = True
        gone = (parts <= self.part - (PARTS - 1)) & ~t["kept"][used]
        if gone.any():
            t.keep(used[~gone])
        self.part = -1

    def find(self, targets: U64, part: int) -> I64:
        """Slots of targets in a part, -1 where nothing is kept."""
        return self.table.find(part_key(targets, part))

    def drop(self, before_part: int) -> None:
        """What lies before a part is judged."""
        for old in [p for p in self.plain if p < before_part]:
            del self.plain[old]
        used = self.table.occupied()
        alive = self.table["part"][used] >= before_part
        if not alive.all():
            self.table.keep(used[alive])

    def snapshot(self) -> dict[str, npt.NDArray[Any]]:
        return {
            **self.table.snapshot("windows"),
            **self.chains.snapshot("strangers", int(self.since[0])),
            "share": self.share.copy(),
            "usual": self.usual.packed(),
            "plain": np.array(sorted(self.plain.items()), np.int64).reshape(-1, 2),
            "part": np.array([self.part, *self.since]),
        }

    def restore(self, arrays: Arrays) -> None:
        self.table.restore("windows", arrays)
        self.chains.restore("strangers", arrays)
        self.share = np.array(arrays["share"])
        self.usual.unpack(arrays["usual"])
        self.plain = dict(arrays["plain"].tolist())
        self.part = int(arrays["part"][0])
        self.since = np.array(arrays["part"][1:])


def part_key(targets: U64, part: int) -> U64:
    # The parts before the first have keys as well.
    return mix(targets, np.full(len(targets), part + PARTS, np.uint64))


def _findings(actors: U64, targets: U64, times: I64, found: npt.NDArray[np.float64]) -> Findings:
    nobody = np.zeros(len(actors), np.bool_)
    return Findings(actors, targets, found[:, 0], nobody, found[:, 1], found[:, 2], times, times)
