"""Crowds of strangers: of a target's likers within six hours, how many nobody has seen before.

One-like and throwaway accounts share nothing but their target, so pairs do not show them (Truelike's own measurement:
docs/detector.md). A stranger was first seen less than a day before the like, and has at most two likes up to a day
after it. The binomial likelihood ratio of k strangers of n likers against 1.5 times the stream's share convicts from
15 on; of k where e are usual each is honest with e/k. What is known at once is provisional, and makes a suspect; what
is known a day later is the verdict.
"""

from __future__ import annotations

from services.detector.signals.signal import Findings, Key, Rows, joined
from services.detector.signals.stranger_share import PART_MS
from services.detector.signals.stranger_verdicts import Verdicts, settled_before
from services.detector.signals.stranger_windows import Windows, new_here
from shared.checkpoints import Arrays
from shared.hashing import U64


class Strangers:
    """State of one partition: likers of each target in the last days' windows, at most `max_rows`."""

    name: str = "strangers"
    key: Key = "target"

    def __init__(self, max_rows: int = 1_000_000) -> None:
        self.windows = Windows(max_rows)
        self.verdicts = Verdicts(max_rows)

    def observe(self, rows: Rows, now: int) -> Findings:
        """Likes of now, and strangers' of a day ago (`settled`): each in order of time among its own."""
        fresh = rows.take(~rows.settled & ~rows.unlike)
        parts = fresh.occurred_at // PART_MS
        found = [self.windows.observe(fresh, parts)]
        self.verdicts.count(parts)
        due = settled_before(now)
        if 0 <= self.windows.part < due:
            # Nothing more comes for it, and its verdict takes away what it is learnt from.
            self.windows.close()
        strangers = rows.take(rows.settled & ~rows.unlike & new_here(rows))
        found += [self.verdicts.observe(strangers, self.windows), self.verdicts.settle(due, self.windows)]
        return joined(found)

    @staticmethod
    def sentence(value: float, baseline: float) -> str:
        return (
            f"One of {value:,.0f} accounts that nobody had seen before and that hardly liked anything else, "
            f"on one target within six hours, where {baseline:,.1f} would be usual."
        )

    def expire(self, before_ms: int) -> None:
        self.windows.table.expire(before_ms)

    def forget(self, actors: U64) -> None:
        self.windows.chains.forget(actors)
        self.verdicts.forget(actors)

    def snapshot(self) -> Arrays:
        return {**self.windows.snapshot(), **self.verdicts.snapshot()}

    def restore(self, arrays: Arrays) -> None:
        self.windows.restore(arrays)
        self.verdicts.restore(arrays)
