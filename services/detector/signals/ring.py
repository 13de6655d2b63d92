"""Ring: two creators who like each other's works again and again, more than how much they like explains.

Of what an actor likes while it knows a creator, a share pop(creator) * 3 would be that creator's works by chance (pop:
the creator's share of likes by those whom it does not like back; 3: taste in common, as for lockstep). Each
direction has its Poisson likelihood ratio, and the pair's score is the lower one: a fan whom the creator once likes
back is no ring. Mutual friends are like a ring of two: one pair is worth a look, no more.

Where many like each other's works, more is usual: the bar is 1.3 times what a hundredth of the day's pairs reach.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
from numba import njit

from services.detector.signals.likelihood_ratio import poisson
from services.detector.signals.signal import Findings, Key, Rows, joined
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.slots import SlotTable

DAY_MS: Final = 86_400_000
TASTE: Final = 3.0
LEAST_EXPECTED: Final = 0.05
# So many likes of no creator in particular are added to what is known: at first nobody is popular.
PRIOR: Final = 1000.0
# Two works each way reach 5.4 at the most, three 9.3.
BAR: Final = 8.0
MARGIN: Final = 1.3
QUANTILE: Final = 0.99
BINS: Final = 256
FEWEST_PAIRS: Final = 1000.0
MEMORY: Final = 0.9
MOST_STRENGTH: Final = 1.2

BARS, LIKES = range(2)


@njit(cache=True, inline="always")
def _ones(bits: Any) -> int:
    found = 0
    while bits:
        bits &= bits - np.uint64(1)
        found += 1
    return found


@njit(cache=True)
def _score(counts: Any, first: Any, last: Any, known: Any, total: float) -> Any:
    """Log-likelihood ratio of the weaker direction, and what chance gives there. Arrays by direction, shape (2,)."""
    lowest, expected = np.inf, 0.0
    for side in range(2):
        popular = (known[side] + 0.5) / (total + PRIOR)
        chance = max((last[side] - first[side] + 1) * max(popular, 0.0) * TASTE, LEAST_EXPECTED)
        score = poisson(counts[side], chance)
        if score < lowest:
            lowest, expected = score, chance
    return lowest, expected


@njit(cache=True)
def _observe(
    at: Any, side: Any, bit: Any, likes: Any, slots: Any, sides: Any, pair: Any, popular: Any, facts: Any
) -> Any:
    """Take in likes of one day. `sides` (n, 2): slots of the pair's two as creators, -1 where it is none. Returns by
    like: strength (0: nothing found), reciprocal likes, and what chance gives.
    """
    touched, begun, works, first, last, told, scores = pair
    seen, known = popular
    found = np.zeros((len(at), 3))
    counts, fame = np.zeros(2), np.zeros(2)
    for i in range(len(at)):
        s, d = slots[i], side[i]
        touched[s] = at[i]
        if begun[s] == 0:
            begun[s] = at[i]
        if works[s, d] == 0:
            first[s, d] = likes[i]
        last[s, d] = likes[i]
        # Direction d goes to the creator on the other side.
        creator = sides[i, 1 - d]
        seen[creator] = at[i]
        news = works[s, d] & bit[i] == 0
        back = works[s, 1 - d]
        if back == 0:
            known[creator] += news
            facts[LIKES] += news
        elif works[s, d] == 0 and sides[i, d] >= 0:
            # Liked back for the first time: what went the other way was no plain liking.
            known[sides[i, d]] -= _ones(back)
            facts[LIKES] -= _ones(back)
        works[s, d] |= bit[i]
        if back == 0:
            continue
        for one in range(2):
            counts[one] = _ones(works[s, one])
            fame[one] = known[sides[i, 1 - one]] if sides[i, 1 - one] >= 0 else 0.0
        reciprocal = min(counts[0], counts[1])
        score, chance = _score(counts, first[s], last[s], fame, facts[LIKES])
        scores[s] = score
        if reciprocal > told[s] and score >= facts[BARS]:
            told[s] = reciprocal
            found[i] = min(score / facts[BARS], MOST_STRENGTH), reciprocal, chance
    return found


class Ring:
    """State of one partition: pairs of actors one of whom liked the other's work, and creators; at most `max_rows` of
    each. A pair remembers its works as 64 bits each way: it may count too few, never too many.
    """

    name: str = "ring"
    key: Key = "creator_pair"
    family: str = "ring"

    def __init__(self, max_rows: int = 1_000_000) -> None:
        two = {"works": (np.uint64, 2), "first": (np.int64, 2), "last": (np.int64, 2)}
        sides = {"low": np.uint64, "high": np.uint64}
        one = {"begun": np.int64, "told": np.int64, "score": np.float64}
        self.pairs = SlotTable({**sides, **two, **one}, max_rows)
        self.creators = SlotTable({"likes": np.float64}, max_rows)
        # The bar, and likes by those whom the creator does not like back.
        self.facts = np.array([BAR, 0.0])
        self.calm = np.zeros(BINS)
        self.day = -1

    def observe(self, rows: Rows, now: int) -> Findings:
        some = (rows.creator != 0) & (rows.creator != rows.actor) & ~rows.unlike
        likes = rows.take(np.flatnonzero(some))
        days = likes.occurred_at // DAY_MS
        edges = [0, *(np.flatnonzero(np.diff(days)) + 1), len(likes)] if len(likes) else [0]
        found = []
        for start, stop in pairwise(edges):
            if days[start] != self.day:
                self._learn()
                self.day = int(days[start])
            found.append(self._observe_day(likes.take(slice(start, stop))))
        return joined(found)

    def _observe_day(self, likes: Rows) -> Findings:
        low, high = np.minimum(likes.actor, likes.creator), np.maximum(likes.actor, likes.creator)
        slots, _ = self.pairs.insert(mix(low, high))
        self.creators.insert(likes.creator)
        sides = np.stack([self.creators.find(low), self.creators.find(high)], axis=1)
        p, c = self.pairs, self.creators
        p["low"][slots], p["high"][slots] = low, high
        side = (likes.actor == high).astype(np.int64)
        bit = np.uint64(1) << (likes.target >> np.uint64(58))
        pair = tuple(p[x] for x in ("touched", "begun", "works", "first", "last", "told", "score"))
        popular = (c["touched"], c["likes"])
        said = _observe(likes.occurred_at, side, bit, likes.actor_likes, slots, sides, pair, popular, self.facts)
        which = np.flatnonzero(said[:, 0])
        # Of both; the pair's first like is in all its findings, so that who reads can tell pairs from each other.
        both = np.r_[low[which], high[which]]
        strength, value, chance = (np.tile(said[which, i], 2) for i in range(3))
        begun, at = np.tile(p["begun"][slots[which]], 2), np.tile(likes.occurred_at[which], 2)
        nothing = np.zeros(len(both), np.uint64)
        return Findings(both, nothing, strength, np.zeros(len(both), np.bool_), value, chance, begun, at)

    def _learn(self) -> None:
        """How the pairs of the day that is over stand."""
        if self.day < 0:
            return
        p, used = self.pairs, self.pairs.occupied()
        scores = p["score"][used[p["touched"][used] >= self.day * DAY_MS]]
        bins = np.minimum(scores.astype(np.int64), BINS - 1)
        self.calm = self.calm * MEMORY + np.bincount(bins, minlength=BINS)
        below = np.cumsum(self.calm)
        usual = np.searchsorted(below, QUANTILE * below[-1]) if below[-1] >= FEWEST_PAIRS else 0
        self.facts[BARS] = max(BAR, MARGIN * float(usual))

    @staticmethod
    def sentence(value: float, baseline: float) -> str:
        return (
            f"Liked another creator's works and was liked back, {value:.0f} works each way, "
            f"where chance would give {baseline:.2f}."
        )

    def expire(self, before_ms: int) -> None:
        self.pairs.expire(before_ms)
        self.creators.expire(before_ms)

    def forget(self, actors: U64) -> None:
        p, used = self.pairs, self.pairs.occupied()
        gone = np.isin(p["low"][used], actors) | np.isin(p["high"][used], actors)
        if gone.any():
            p.keep(used[~gone])
        self.creators.drop(actors)

    def snapshot(self) -> Arrays:
        state = {"facts": self.facts.copy(), "calm": self.calm.copy(), "day": np.array([self.day])}
        return {**self.pairs.snapshot("pairs"), **self.creators.snapshot("creators"), **state}

    def restore(self, arrays: Arrays) -> None:
        self.pairs.restore("pairs", arrays)
        self.creators.restore("creators", arrays)
        self.facts, self.calm = arrays["facts"].copy(), arrays["calm"].copy()
        self.day = int(arrays["day"][0])
