"""Crowds of strangers: of a target's likers within six hours, how many nobody has seen before or since.

One-like and throwaway accounts share nothing but their target, so pairs do not show them. A stranger was first seen
less than a day before the like, and has at most two likes up to a day after it. For k strangers of n likes against a
usual share p, where k / n > p, the binomial log-likelihood ratio is

    k ln(k / (n p)) + (n - k) ln((n - k) / (n (1 - p)))

p is 1.5 times the stream's share of late (and at least .015), and the bar 15. Where targets differ much in how many
newcomers they draw, more than a binomial tells, the ratio against the share of 97 of the last 100 windows must reach 6
as well: a crowd of nothing but strangers does, what only spreads widely does not. What convicts is not learnt. The
verdict comes a day after the window, about the strangers' likes of this target and nothing else: of k strangers where
e are usual, each is a person with e / k. A crowd convicts where that is at most one in ten, or where 19 in 20 of the
target's likers are strangers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from services.detector.signals.signal import F64, I64, NOTHING, Findings, Key, Rows, joined
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.slots import SlotTable

WINDOW_MS: Final = 6 * 3_600_000
GRACE_MS: Final = 86_400_000
FEWEST_LIKES: Final = 15
BAR: Final = 15.0
MARGIN: Final = 1.5
LEAST_SHARE: Final = 0.015
# What is learnt counts half after about two weeks of windows; before as many likes there is no usual share.
MEMORY: Final = 0.99
FEWEST_LEARNT: Final = 200.0
# Before, everybody is new.
LEAST_PAST_MS: Final = 2 * 86_400_000
WINDOWS_LEARNT: Final = 256
FEWEST_WINDOWS: Final = 20
QUANTILE: Final = 0.97
SPREAD_BAR: Final = 6.0
# Convicts where each stranger is a person with at most this, or where hardly anybody else came: what spreads widely
# brings regulars too.
MOST_HONEST: Final = 0.1
NEARLY_ALL: Final = 0.95


class Strangers:
    """State of one partition: windows of targets until they are judged, at most `max_rows`, and their strangers."""

    name: str = "strangers"
    family: str = "strangers"
    key: Key = "target"

    def __init__(self, max_rows: int = 1_000_000) -> None:
        self.max_rows = max_rows
        self.windows = SlotTable({"part": np.int64, "likes": np.int32, "strangers": np.int32}, max_rows)
        # Strangers' likes of the windows that are not judged yet: key of the window, actor, target.
        self._strangers: U64 = np.zeros((0, 3), np.uint64)
        self._times: I64 = np.zeros(0, np.int64)
        # Likes and strangers' likes of late, and the shares of the last windows with enough likes (-1: none yet).
        self._usual = np.zeros(2)
        self._shares = np.full(WINDOWS_LEARNT, -1.0)
        # The first part of all.
        self._first = -1

    def observe(self, rows: Rows, now: int) -> Findings:
        """See `Signal.observe`. `settled` rows are strangers' likes, a day after them."""
        parts = rows.occurred_at // WINDOW_MS
        keys = mix(rows.target, parts.astype(np.uint64))
        slots, _ = self.windows.insert(keys)
        self.windows["part"][slots] = parts
        np.maximum.at(self.windows["touched"], slots, rows.occurred_at)
        np.add.at(self.windows["likes"], slots[~rows.settled], 1)
        np.add.at(self.windows["strangers"], slots[rows.settled], 1)
        if rows.settled.any():
            news = np.stack([keys, rows.actor, rows.target], axis=1)[rows.settled]
            self._strangers = np.concatenate([self._strangers, news])[-self.max_rows :]
            self._times = np.concatenate([self._times, rows.occurred_at[rows.settled]])[-self.max_rows :]
        return self._judge((now - GRACE_MS) // WINDOW_MS)

    def _judge(self, before: int) -> Findings:
        """The windows of the parts before this one, part by part, and no more of them."""
        used = self.windows.occupied()
        part = self.windows["part"][used]
        if not (part < before).any():
            return NOTHING
        due = used[part < before]
        order = due[np.lexsort((self.windows.keys[due], self.windows["part"][due]))]
        cuts = np.flatnonzero(np.diff(self.windows["part"][order])) + 1
        found = [self._of_part(slots) for slots in np.split(order, cuts)]
        left = ~np.isin(self._strangers[:, 0], self.windows.keys[due])
        self._strangers, self._times = self._strangers[left], self._times[left]
        self.windows.keep(used[part >= before])
        return joined(found)

    def _of_part(self, slots: I64) -> Findings:
        n, k = self.windows["likes"][slots].astype(np.float64), self.windows["strangers"][slots].astype(np.float64)
        n = np.maximum(n, k)
        learnt, strange = self._usual
        part = int(self.windows["part"][slots[0]])
        self._first = part if self._first < 0 else self._first
        known_for = (part - self._first) * WINDOW_MS
        share = strange / learnt if learnt >= FEWEST_LEARNT and known_for >= LEAST_PAST_MS else 1.0
        enough, usual = n >= FEWEST_LIKES, max(MARGIN * share, LEAST_SHARE)
        known = self._shares[self._shares >= 0]
        strength = np.where(enough, _llr(k, n, usual) / BAR, 0.0)
        if len(known) >= FEWEST_WINDOWS:
            unusual = max(usual, float(np.quantile(known, QUANTILE)))
            strength = np.minimum(strength, _llr(k, n, unusual) / SPREAD_BAR)
        calm = strength < 1
        self._usual = self._usual * MEMORY + np.array([n[calm].sum(), k[calm].sum()])
        shares = (k / n)[calm & enough][-WINDOWS_LEARNT:]
        self._shares = np.concatenate([self._shares[len(shares) :], shares])
        order = np.argsort(self.windows.keys[slots[~calm]])
        found = slots[~calm][order]
        keys, strength, k, n = self.windows.keys[found], strength[~calm][order], k[~calm][order], n[~calm][order]
        mine = np.flatnonzero(np.isin(self._strangers[:, 0], keys))
        at = np.searchsorted(keys, self._strangers[mine, 0])
        return Findings(
            self._strangers[mine, 1],
            self._strangers[mine, 2],
            strength[at],
            ((n * share <= MOST_HONEST * k) | (k >= NEARLY_ALL * n))[at],
            k[at],
            n[at] * share,
            self._times[mine],
            self._times[mine],
        )

    @staticmethod
    def sentence(value: float, baseline: float) -> str:
        return (
            f"One of {value:,.0f} accounts that nobody had seen before and that hardly liked anything else, "
            f"on one target within six hours, where {baseline:,.1f} would be usual."
        )

    def expire(self, before_ms: int) -> None:
        self.windows.expire(before_ms)

    def forget(self, actors: U64) -> None:
        left = ~np.isin(self._strangers[:, 1], actors)
        self._strangers, self._times = self._strangers[left], self._times[left]

    def snapshot(self) -> Arrays:
        return {
            **self.windows.snapshot("windows"),
            "strangers": self._strangers.copy(),
            "times": self._times.copy(),
            "usual": self._usual.copy(),
            "shares": self._shares.copy(),
            "first": np.array([self._first]),
        }

    def restore(self, arrays: Arrays) -> None:
        self.windows.restore("windows", arrays)
        self._strangers, self._times = arrays["strangers"].copy(), arrays["times"].copy()
        self._usual, self._shares = arrays["usual"].copy(), arrays["shares"].copy()
        self._first = int(arrays["first"][0])


def _llr(k: npt.NDArray[np.float64], n: npt.NDArray[np.float64], p: float) -> F64:
    """Binomial log-likelihood ratio of k of n against a share p, 0 where it is not exceeded. Shape (n,)."""
    if p >= 1:
        return np.zeros(len(k))
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.where(k > 0, k * np.log(k / (n * p)), 0.0)
        outside = np.where(n > k, (n - k) * np.log((n - k) / (n * (1 - p))), 0.0)
    return np.where(k > n * p, inside + outside, 0.0)
