"""Who turned out to be a stranger: a day after a window, its strangers are known for good."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from services.detector.signals.likelihood_ratio import binomials
from services.detector.signals.signal import F64, I64, NOTHING, Bools, Findings, Rows, joined
from services.detector.signals.stranger_share import (
    BAR,
    DAY_MS,
    FEWEST_LIKERS,
    PART_MS,
    PARTS,
    Usual,
    expected_strangers,
    strengths,
    usual_share,
    usual_shares,
)
from services.detector.signals.stranger_windows import Windows, likers_of, may_be_crowd
from shared.checkpoints import Arrays
from shared.hashing import U64


class Verdicts:
    """Strangers of the windows that can still be a crowd's; at most `max_strangers` are listed, and those beyond are
    counted in `unlisted`: they stay suspect.
    """

    def __init__(self, max_strangers: int) -> None:
        self.max_strangers = max_strangers
        self.unlisted = 0
        self.usual = Usual()
        # Likes by part, and how many of them were strangers': until the windows that it lies in are settled.
        self.likes: dict[int, int] = {}
        self.strangers: dict[int, int] = {}
        self.settled = -1
        self._list(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int64))

    def _list(self, actor: U64, target: U64, at: I64) -> None:
        self.actor, self.target, self.at = actor, target, at

    def count(self, parts: I64) -> None:
        """Likes of these parts, whoever gave them."""
        for part, n in zip(*np.unique(parts, return_counts=True), strict=True):
            self.likes[int(part)] = self.likes.get(int(part), 0) + int(n)

    def observe(self, rows: Rows, windows: Windows) -> Findings:
        """Strangers' likes, in order of time: whatever lies a part before one of them is complete."""
        parts = rows.occurred_at // PART_MS
        edges = [0, *(np.flatnonzero(np.diff(parts)) + 1), len(rows)] if len(rows) else [0]
        found = []
        for start, stop in pairwise(edges):
            part = int(parts[start])
            found.append(self.settle(part, windows))
            # A part that is settled stays so: what comes for it now has come too late.
            if part > self.settled:
                self._observe_part(rows.take(slice(start, stop)), part, windows)
        return joined(found)

    def _observe_part(self, rows: Rows, part: int, windows: Windows) -> None:
        self.strangers[part] = self.strangers.get(part, 0) + len(rows)
        listed = np.flatnonzero(self._may_be_crowd(rows.target, part, windows))
        kept = listed[: max(self.max_strangers - len(self.at), 0)]
        self.unlisted += len(listed) - len(kept)
        self._list(
            np.r_[self.actor, rows.actor[kept]],
            np.r_[self.target, rows.target[kept]],
            np.r_[self.at, rows.occurred_at[kept]],
        )

    def _may_be_crowd(self, targets: U64, part: int, windows: Windows) -> Bools:
        """Where even all provisional strangers together would be no crowd, none needs to be listed."""
        unique, which = np.unique(targets, return_inverse=True)
        here = windows.find(unique, part)
        t = windows.table
        np.add.at(t["settled"], here[which][here[which] >= 0], 1)
        # The share is not learnt before the part is settled, and may have become less until then.
        share = 0.9 * usual_share(self.usual.likes, self.usual.strangers, 0.0, 0.0)
        crowd = np.zeros(len(unique), np.bool_)
        for last in range(part, part + PARTS):
            many, strangers = likers_of(t["n"], t["k"], t["sketch"], windows.parts(unique, last))
            crowd |= (many >= FEWEST_LIKERS) & (binomials(strangers, many, share) >= BAR)
        return crowd[which]

    def settle(self, before_part: int, windows: Windows) -> Findings:
        """Windows that end before this part are judged, each against what was learnt until then."""
        due = sorted(p for p in self.likes if self.settled < p < before_part)
        return joined([self._settle_one(p, windows) for p in due]) if due else NOTHING

    def _settle_one(self, part: int, windows: Windows) -> Findings:
        within = self.at >= (part - PARTS + 1) * PART_MS
        actor, target, at = self.actor[within], self.target[within], self.at[within]
        crowd, strength, k, expected = self._judge(actor, target, part, windows)
        found = np.flatnonzero(crowd)
        judged = Findings(
            actor[found],
            target[found],
            strength[found],
            np.ones(len(found), np.bool_),
            k[found],
            expected[found],
            at[found],
            at[found],
        )
        self._learn(part, windows, np.unique(target[found]), int((at[found] >= part * PART_MS).sum()))
        # What lies in a later window too.
        later = at >= (part - PARTS + 2) * PART_MS
        self._list(actor[later], target[later], at[later])
        windows.drop(part - PARTS + 2)
        return judged

    def _judge(self, actor: U64, target: U64, part: int, windows: Windows) -> tuple[Bools, F64, F64, F64]:
        """By like: whether it is of a crowd of strangers, strength, strangers in the window, how many to expect."""
        unique, which = np.unique(target, return_inverse=True)
        once = np.unique(np.c_[which.astype(np.uint64), actor], axis=0)[:, 0].astype(np.int64)
        k = np.bincount(once, minlength=len(unique)).astype(np.float64)
        t = windows.table
        many, _ = likers_of(t["n"], t["k"], t["sketch"], windows.parts(unique, part))
        known = many > 0
        many = np.maximum(many, k)
        total, strangers = (
            float(sum(counts.get(part - back, 0) for back in range(PARTS))) for counts in (self.likes, self.strangers)
        )
        share = usual_shares(
            self.usual.likes, self.usual.strangers, np.maximum(total - many, 0), np.maximum(strangers - k, 0)
        )
        score = strengths(k, many, share, self.usual.spread)
        crowd = known & (score >= 1)
        expected = expected_strangers(k, many, share)
        return crowd[which], score[which], k[which], expected[which]

    def _learn(self, part: int, windows: Windows, crowded: U64, strangers: int) -> None:
        """A crowd must not make the next one usual."""
        t = windows.table
        slots = windows.find(crowded, part)
        of_crowds = int(t["n"][slots[slots >= 0]].sum())
        used = t.occupied()
        here = used[(t["part"][used] == part) & ~np.isin(t["target"][used], crowded)]
        parts = windows.parts(t["target"][here], part)
        many, provisional = likers_of(t["n"], t["k"], t["sketch"], parts)
        kept = may_be_crowd(many, provisional)
        settled = np.where(parts >= 0, t["settled"][parts], 0).sum(axis=1)
        shares = np.minimum(settled / np.maximum(many, 1), 1.0)[kept]
        calm = self.likes[part] - of_crowds, self.strangers.get(part, 0) - strangers
        self.usual.learn(*calm, shares, windows.plain.get(part, 0))
        self.settled = part
        for counts in (self.likes, self.strangers):
            for old in [p for p in counts if p < part - PARTS + 2]:
                del counts[old]

    def forget(self, actors: U64) -> None:
        rest = ~np.isin(self.actor, actors)
        self._list(self.actor[rest], self.target[rest], self.at[rest])

    def snapshot(self) -> dict[str, npt.NDArray[Any]]:
        parts = sorted({*self.likes, *self.strangers})
        return {
            "settled.usual": self.usual.packed(),
            "settled.actor": self.actor,
            "settled.target": self.target,
            "settled.at": self.at,
            "settled.parts": np.array(
                [(p, self.likes.get(p, 0), self.strangers.get(p, 0)) for p in parts], np.int64
            ).reshape(-1, 3),
            "settled.part": np.array([self.settled, self.unlisted]),
        }

    def restore(self, arrays: Arrays) -> None:
        self.usual.unpack(arrays["settled.usual"])
        self._list(arrays["settled.actor"], arrays["settled.target"], arrays["settled.at"])
        parts = arrays["settled.parts"].tolist()
        self.likes = {p: likes for p, likes, _ in parts if likes}
        self.strangers = {p: strangers for p, _, strangers in parts if strangers}
        self.settled, self.unlisted = (int(x) for x in arrays["settled.part"])


def settled_before(now: int) -> int:
    """The first part of which likes may still come a day late, at this watermark."""
    return (now - DAY_MS) // PART_MS
