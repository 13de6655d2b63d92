"""Lockstep: accounts that like the same things within moments, again and again, more than their activity explains.

An actor's score at a scale is the log-likelihood ratio of its third-best partner (`pairs`): two people may meet by
accident or live together, three at once rarely do. Many partners at a fast scale convict. A slow scale convicts only
where the creators are known, so that fans of one creator count once; else something else must speak as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from services.detector.names import Names
from services.detector.signals.bars import Bars, Standing
from services.detector.signals.pairs import Pairs
from services.detector.signals.signal import SCALES
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.slots import SlotTable

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

# Partners that are remembered of an actor at a scale, the best; the score is that of the third.
PARTNERS: Final = 6
SCORED: Final = 3
# Below this log-likelihood ratio a partner is not worth remembering.
LEAST_LLR: Final = 3.0
DAY_MS: Final = 86_400_000
_N: Final = len(SCALES)
_COLUMNS: Final = {
    "partner": (np.uint64, _N * PARTNERS),
    "llr": (np.float32, _N * PARTNERS),
    # Span of the actor's own likes with partners at each scale.
    "first_at": (np.int64, _N),
    "last_at": (np.int64, _N),
    # Whether every partner's places were creators.
    "creators_known": (np.bool_, _N),
    # The last meeting with anybody met before.
    "met_at": np.int64,
    "stream_likes": np.float32,
}


@njit(cache=True)
def _note(
    slots: Any, partner: Any, llr: Any, span: Any, met: Any, stream: Any, scales: int, least: float, partners: Any,
    best: Any, first_at: Any, last_at: Any, all_known: Any, met_at: Any, stream_likes: Any,
) -> None:  # fmt: skip
    """Take how each pair stood after each meeting into its actor's best partners: one by one, or it would matter how
    they came in batches.
    """
    width = best.shape[1] // scales
    for i in range(len(slots)):
        slot, first, last, known = slots[i], span[i, 0], span[i, 1], span[i, 2] != 0
        met_at[slot], stream_likes[slot] = max(met_at[slot], met[i]), stream[i]
        for s in range(scales):
            value, begin = llr[i, s], s * width
            at, worst = -1, begin
            for k in range(begin, begin + width):
                if partners[slot, k] == partner[i]:
                    at = k
                if best[slot, k] < best[slot, worst]:
                    worst = k
            if at >= 0:
                best[slot, at] = value
            elif value >= least and value > best[slot, worst]:
                partners[slot, worst], best[slot, worst] = partner[i], value
            if value < least:
                continue
            if last_at[slot, s] == 0:
                first_at[slot, s], last_at[slot, s], all_known[slot, s] = first, last, known
            else:
                first_at[slot, s] = min(first_at[slot, s], first)
                last_at[slot, s] = max(last_at[slot, s], last)
                all_known[slot, s] = all_known[slot, s] and known


class Lockstep:
    """State of one partition of actors."""

    def __init__(self, max_pairs: int) -> None:
        self.pairs = Pairs(max_pairs)
        self.actors = SlotTable(_COLUMNS, max(max_pairs // 8, 1024))
        self.peers = Names(max_pairs // 4)
        self.bars = Bars()

    def meet(self, meetings: pa.RecordBatch) -> Iterator[U64]:
        """Take in meetings in order of when they met. Yields, day by day, the actors that have partners and whose
        standing may have changed, sorted, if there are any: between two days the bars learn.
        """
        days = meetings.column("met_at").to_numpy() // DAY_MS
        cuts = np.r_[0, np.flatnonzero(np.diff(days)) + 1, len(days)] if len(days) else np.zeros(1, np.int64)
        for begin, end in pairwise(cuts.tolist()):
            part = meetings.slice(begin, end - begin)
            if self.bars.is_new(int(days[begin])):
                used = self.actors.occupied()
                self.bars.learn(int(days[begin]), self.standing(self.actors.keys[used]))
            met = self._meet(part)
            if len(met):
                yield met

    def _meet(self, meetings: pa.RecordBatch) -> U64:
        grown = self.pairs.meet(meetings)
        worth = (grown.llr >= LEAST_LLR).any(axis=1)
        # Of those who have partners also what lowers them.
        actors = np.unique(grown.actor[worth])
        rows = np.flatnonzero(np.isin(grown.actor, actors) | (self.actors.find(grown.actor) >= 0))
        if len(rows) == 0:
            return actors
        named = meetings.take(pa.array(grown.which[rows]))
        self._name(named)
        slots, _ = self.actors.insert(grown.actor[rows])
        met_at = named.column("met_at").to_numpy()
        columns = [self.actors[name] for name in _COLUMNS]
        stream = named.column("stream_likes").to_numpy()
        _note(slots, grown.peer[rows], grown.llr[rows], grown.span[rows], met_at, stream, _N, LEAST_LLR, *columns)
        np.maximum.at(self.actors["touched"], slots, met_at)
        return np.unique(grown.actor[rows])

    def _name(self, meetings: pa.RecordBatch) -> None:
        named = meetings.filter(meetings.column("peer_id").is_valid())
        self.peers.add(named.column("peer").to_numpy(), named.column("peer_id"), named.column("met_at").to_numpy())

    def standing(self, actors: U64) -> Standing:
        """Of actors that `meet` returned; zeros where nothing stands. Shape of each: see `Standing`."""
        slots = self.actors.find(actors)
        known = (slots >= 0)[:, None]
        llr = np.where(known, self.actors["llr"][slots], 0).astype(np.float64).reshape(len(actors), _N, PARTNERS)
        ranked = -np.sort(-llr, axis=2)
        peers = self.actors["partner"][slots].reshape(len(actors), _N, PARTNERS)
        best = np.take_along_axis(peers, llr.argmax(axis=2)[:, :, None], axis=2)[:, :, 0]
        pairs = self.pairs.repeated.find(mix(np.repeat(actors, _N), best.ravel())).reshape(-1, _N)
        met = np.where(pairs >= 0, self.pairs.repeated["met"][pairs, np.arange(_N)], 0).astype(np.float64)
        spans = [self.actors[name][slots] for name in ("first_at", "last_at", "creators_known", "met_at")]
        spans.append(self.actors["stream_likes"][slots].astype(np.float64))
        return Standing(actors, ranked[:, :, 0], ranked[:, :, SCORED - 1], ranked[:, :, -1], met, *spans)

    def expire(self, before_ms: int) -> None:
        self.pairs.expire(before_ms)
        self.actors.expire(before_ms)
        self.peers.expire(before_ms)

    def forget(self, actors: U64) -> int:
        partner = self.actors["partner"]
        partner_gone = np.isin(partner, actors) & (partner != 0)
        # What was seen with them stays seen: whom it was seen with does not.
        partner[partner_gone] = 0
        return self.actors.drop(actors) + self.pairs.forget(actors) + self.peers.forget(actors)

    def snapshot(self) -> Arrays:
        return {
            **self.pairs.snapshot(),
            **self.actors.snapshot("lockstep"),
            **self.peers.snapshot("peers"),
            **self.bars.snapshot(),
        }

    def restore(self, arrays: Arrays) -> None:
        self.pairs.restore(arrays)
        self.actors.restore("lockstep", arrays)
        self.peers.restore("peers", arrays)
        self.bars.restore(arrays)
