"""Origin: many actors behind one origin who like the same things, more than popularity explains.

Offices and carriers have hundreds of honest people behind one address, so not their number speaks but on how many
*same* targets they meet. Of n likes from an origin, n * pop(target) * 3 are to be expected on a target (pop: its share
of all other origins' likes; 3: taste in common, as for lockstep); the Poisson likelihood ratio of its different actors
is the target's score, and the origin's that of its third-best place. Targets of one creator are one place: staff who
like their firm's posts are no farm.

Judged each hour over this day and the one before. It cannot tell a class that goes through a list of unrelated things
from a farm.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
from numba import njit

from services.detector.signals.actor_signal import leave_out
from services.detector.signals.likelihood_ratio import poissons
from services.detector.signals.signal import F64, I64, NOTHING, Findings, Key, Rows, joined
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.slots import SlotTable

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
FEWEST_ACTORS: Final = 10
PLACES: Final = 3
TASTE: Final = 3.0
LEAST_EXPECTED: Final = 0.5
BAR: Final = 20.0
CONVICTS_FROM: Final = 3.0
# Popularity is not known from fewer other likes; and counts half after three weeks.
FEWEST_OTHERS: Final = 500.0
MEMORY: Final = 0.97


@njit(cache=True)
def _roll(slot: int, day: int, days: Any, counts: Any) -> None:
    """Counts of this day and the one before, shape (2,)."""
    if days[slot] < day:
        counts[slot, 1] = counts[slot, 0] if days[slot] == day - 1 else 0
        counts[slot, 0] = 0
        days[slot] = day


@njit(cache=True)
def _count(
    at: Any, pairs: Any, origins: Any, targets: Any, seen: Any, pair: Any, origin: Any, popular: Any, been: Any
) -> None:
    """Take in likes. `pair`, `origin`: (touched, day, counts) of their tables; `popular`: (touched, likes); `been`:
    (touched, day) of actors at pairs.
    """
    for i in range(len(at)):
        day = at[i] // DAY_MS
        p, o, t, s = pairs[i], origins[i], targets[i], seen[i]
        pair[0][p] = origin[0][o] = popular[0][t] = at[i]
        popular[1][t] += 1
        _roll(p, day, pair[1], pair[2])
        _roll(o, day, origin[1], origin[2])
        origin[2][o, 0] += 1
        if been[1][s] < day - 1:
            been[1][s] = day
            been[0][s] = at[i]
            pair[2][p, 0] += 1


class Origin:
    """State of one partition: origins, their targets and who liked those from there, at most `max_rows` of each."""

    name: str = "origin"
    key: Key = "origin"
    family: str = "origin"

    def __init__(self, max_rows: int = 1_000_000) -> None:
        counts = {"day": np.int64, "counts": (np.int32, 2)}
        self.pairs = SlotTable({**counts, "origin": np.uint64, "target": np.uint64, "place": np.uint64}, max_rows)
        self.origins = SlotTable(counts, max_rows)
        self.popular = SlotTable({"likes": np.float64}, max_rows)
        self.seen = SlotTable({"day": np.int64, "pair": np.uint64, "actor": np.uint64}, max_rows)
        # Pairs with enough actors to be judged, and whether one of them has changed since it was.
        self.crowded: U64 = np.zeros(0, np.uint64)
        self.changed = False
        self.likes = 0.0
        self.hour = -1

    def observe(self, rows: Rows, now: int) -> Findings:
        likes = rows.take(np.flatnonzero(~rows.unlike & (rows.origin != 0)))
        hours = likes.occurred_at // HOUR_MS
        edges = [0, *(np.flatnonzero(np.diff(hours)) + 1), len(likes)] if len(likes) else [0]
        found = []
        for start, stop in pairwise(edges):
            found.append(self._pass(int(hours[start])))
            self._take(likes.take(slice(start, stop)))
        return joined([*found, self._pass(now // HOUR_MS)])

    def _pass(self, hour: int) -> Findings:
        """What lies before this hour is complete."""
        if hour <= self.hour:
            return NOTHING
        found = self._judge((self.hour * HOUR_MS) // DAY_MS) if self.changed else NOTHING
        if self.hour >= 0 and hour * HOUR_MS // DAY_MS > self.hour * HOUR_MS // DAY_MS and self.likes > 0:
            self._forget_popularity()
        self.changed, self.hour = False, hour
        return found

    def _forget_popularity(self) -> None:
        self.likes *= MEMORY
        self.popular["likes"][:] *= MEMORY

    def _take(self, likes: Rows) -> None:
        keys = mix(likes.origin, likes.target)
        pairs, _ = self.pairs.insert(keys)
        origins, _ = self.origins.insert(likes.origin)
        targets, _ = self.popular.insert(likes.target)
        seen, new = self.seen.insert(mix(keys, likes.actor))
        p, o, t, s = self.pairs, self.origins, self.popular, self.seen
        p["origin"][pairs], p["target"][pairs] = likes.origin, likes.target
        p["place"][pairs] = np.where(likes.creator != 0, likes.creator, likes.target)
        s["pair"][seen], s["actor"][seen] = keys, likes.actor
        s["day"][seen[new]] = -2
        pair, origin = ((x["touched"], x["day"], x["counts"]) for x in (p, o))
        been = (s["touched"], s["day"])
        _count(likes.occurred_at, pairs, origins, targets, seen, pair, origin, (t["touched"], t["likes"]), been)
        self.likes += len(likes)
        many = p["counts"][pairs].sum(axis=1) >= FEWEST_ACTORS
        if many.any():
            self.crowded = np.union1d(self.crowded, keys[many])
            self.changed = True

    def _judge(self, day: int) -> Findings:
        p = self.pairs
        slots = p.find(self.crowded)
        actors = np.where(slots >= 0, _within(p, slots, day), 0)
        enough = actors >= FEWEST_ACTORS
        self.crowded, slots, actors = self.crowded[enough], slots[enough], actors[enough].astype(np.float64)
        if not len(slots):
            return NOTHING
        score, expected = self._scores(slots, actors, day)
        third = _third_best(p["origin"][slots], p["place"][slots], score)
        out = np.flatnonzero((score >= BAR) & (third >= BAR))
        return self._findings(slots[out], third[out], actors[out], expected[out], day)

    def _scores(self, slots: I64, actors: F64, day: int) -> tuple[F64, F64]:
        """Log-likelihood ratio of each pair's actors, and how many were to be expected."""
        origin = _within(self.origins, self.origins.find(self.pairs["origin"][slots]), day).astype(np.float64)
        target = self.popular["likes"][self.popular.find(self.pairs["target"][slots])]
        others = self.likes - origin
        share = (np.maximum(target - actors, 0) + 1) / np.maximum(others, 1)
        expected = np.maximum(origin * share * TASTE, LEAST_EXPECTED)
        known = others >= np.maximum(FEWEST_OTHERS, origin / 4)
        return np.where(known, poissons(actors, expected), 0.0), expected

    def _findings(self, slots: I64, third: F64, actors: F64, expected: F64, day: int) -> Findings:
        """For each actor that liked one of these pairs' targets from its origin."""
        if not len(slots):
            return NOTHING
        keys, s, used = self.pairs.keys[slots], self.seen, self.seen.occupied()
        order = np.argsort(keys)
        used = used[np.isin(s["pair"][used], keys) & (s["day"][used] >= day - 1)]
        of = order[np.searchsorted(keys[order], s["pair"][used])]
        strength, at = third[of] / BAR, s["touched"][used]
        target = self.pairs["target"][slots][of]
        return Findings(s["actor"][used], target, strength, strength >= CONVICTS_FROM, actors[of], expected[of], at, at)

    @staticmethod
    def sentence(value: float, baseline: float) -> str:
        return (
            f"One of {value:,.0f} accounts behind one address that liked the same target within two days, and others "
            f"together as well, where {baseline:,.1f} would be usual."
        )

    def expire(self, before_ms: int) -> None:
        for table in (self.pairs, self.origins, self.popular, self.seen):
            table.expire(before_ms)

    def forget(self, actors: U64) -> None:
        used = self.seen.occupied()
        leave_out(self.seen, used[np.isin(self.seen["actor"][used], actors)])

    def snapshot(self) -> Arrays:
        return {
            **self.pairs.snapshot("pairs"),
            **self.origins.snapshot("origins"),
            **self.popular.snapshot("popular"),
            **self.seen.snapshot("seen"),
            "crowded": self.crowded,
            "likes": np.array([self.likes]),
            "hour": np.array([self.hour, int(self.changed)]),
        }

    def restore(self, arrays: Arrays) -> None:
        for name in ("pairs", "origins", "popular", "seen"):
            getattr(self, name).restore(name, arrays)
        self.crowded, self.likes = arrays["crowded"], float(arrays["likes"][0])
        self.hour, self.changed = int(arrays["hour"][0]), bool(arrays["hour"][1])


def _within(table: SlotTable, slots: I64, day: int) -> Any:
    """Counts of this day and the one before. Shape as `slots`."""
    counts, back = table["counts"][slots], day - table["day"][slots]
    return np.where(back == 0, counts.sum(axis=1), np.where(back == 1, counts[:, 0], 0))


def _third_best(origin: U64, place: U64, score: F64) -> F64:
    """By pair, the score of its origin's third-best place; 0 where there are fewer."""
    order = np.lexsort((-score, place, origin))
    first = np.r_[True, (origin[order][1:] != origin[order][:-1]) | (place[order][1:] != place[order][:-1])]
    best = order[first]
    best = best[np.lexsort((-score[best], origin[best]))]
    origins, start, many = np.unique(origin[best], return_index=True, return_counts=True)
    third = np.where(many >= PLACES, score[best[np.minimum(start + PLACES - 1, len(best) - 1)]], 0.0)
    return np.asarray(third[np.searchsorted(origins, origin)])
