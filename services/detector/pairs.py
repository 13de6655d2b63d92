"""Which actors met which, on how many different targets: bounded, by event time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from services.detector.fusion import MOST_LOCKSTEP_LOG_ODDS, expected_meetings, lockstep_log_odds
from shared.checkpoints import Arrays
from shared.hashing import U64, hash_strings, mix
from shared.slots import Slots, SlotTable

I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]

REMEMBERED_TARGETS: Final = 8


@njit(cache=True)
def _meet_once(
    slots: Any, new: Any, targets: Any, times: Any, weights: Any, target: Any, time: Any, weight: Any, again: Any
) -> None:
    for i in range(len(slots)):
        slot = slots[i]
        if new[i]:
            target[slot], time[slot], weight[slot] = targets[i], times[i], weights[i]
        again[i] = target[slot] != targets[i]


@njit(cache=True)
def _meet(slots: Any, targets: Any, times: Any, weights: Any, count: Any, total: Any, seen: Any, when: Any) -> None:
    for i in range(len(slots)):
        slot = slots[i]
        known = min(count[slot], REMEMBERED_TARGETS)
        again = False
        for k in range(known):
            again = again or seen[slot, k] == targets[i]
        if again:
            continue
        at = count[slot] % REMEMBERED_TARGETS
        seen[slot, at] = targets[i]
        when[slot, at] = times[i]
        count[slot] += 1
        total[slot] += weights[i]


@dataclass(frozen=True)
class Repeated:
    """A pair that met on at least two different targets; `times` are those of `actor`'s likes."""

    actor: int
    peer: int
    meetings: int
    expected: float
    log_odds: float
    targets: tuple[int, ...]
    times: tuple[int, ...]


class Pairs:
    """Meetings of the actors of one partition with anyone."""

    def __init__(self, max_pairs: int) -> None:
        # Meetings taken in at once: a full table makes room by a quarter, so more would take the smallest of the
        # tables, of repeated pairs, beyond its bound.
        self.batch = max_pairs // 16
        # Nearly all pairs meet on one target and never again. They are most of the state, so little is kept of them.
        self.once = SlotTable({"target": np.uint64, "time": np.int64, "weight": np.float32}, max_pairs)
        self.table = SlotTable(
            {
                "actor": np.uint64,
                "peer": np.uint64,
                "count": np.int64,
                "weight": np.float64,
                "targets": (np.uint64, REMEMBERED_TARGETS),
                "times": (np.int64, REMEMBERED_TARGETS),
            },
            max_pairs // 4,
        )
        self.lockstep = SlotTable({"log_odds": np.float64}, max_pairs)
        # How many different actors each one here, and each of their peers, met: what chance is reckoned from.
        # Not how often, or a large group that meets again and again would make its own meetings look usual.
        self.actors = SlotTable({"met": np.float64}, max_pairs)
        self.peers = SlotTable({"met": np.float64}, max_pairs)
        self.total = 0.0
        self.names: dict[int, str] = {}

    def meet(self, meetings: pa.RecordBatch) -> U64:
        """Take in meetings; returns the actors (hashes, sorted) whose repeated meetings grew."""
        actors, peers, targets = (hash_strings(meetings.column(c)) for c in ("actor_id", "peer_id", "target_id"))
        times = meetings.column("occurred_at").to_numpy()
        order = np.lexsort((targets, peers, actors, times))
        actors, peers, targets, times = actors[order], peers[order], targets[order], times[order]
        weights = meetings.column("weight").to_numpy()[order]
        grown = np.zeros(len(order), np.bool_)
        for start in range(0, len(order), self.batch):
            here = slice(start, start + self.batch)
            grown[here] = self._take(actors[here], peers[here], targets[here], times[here], weights[here])
        named = meetings.column("peer_id").take(pa.array(np.unique(order[grown]))).unique()
        self.names.update(zip(hash_strings(named).tolist(), named.to_pylist(), strict=True))
        changed = np.unique(actors[grown])
        self._score(changed)
        return changed

    def _take(self, actors: U64, peers: U64, targets: U64, times: I64, weights: F32) -> npt.NDArray[np.bool_]:
        """Take in meetings, in order of time; returns which of them are of pairs whose repeated meetings grew."""
        slots = self._repeated_of(actors, peers, targets, times, weights)
        again = slots >= 0
        slots, table = slots[again], self.table
        before = table["count"][slots].copy()
        np.maximum.at(table["touched"], slots, times[again])
        columns = table["count"], table["weight"], table["targets"], table["times"]
        _meet(slots, targets[again], times[again], weights[again], *columns)
        again[again] = table["count"][slots] > before
        return again

    def _repeated_of(self, actors: U64, peers: U64, targets: U64, times: I64, weights: F32) -> Slots:
        """Slots in `table` of the pairs of these meetings, -1 of those that have met on one target only. A pair that
        meets on a second one moves there.
        """
        keys = mix(actors, peers)
        rest = np.flatnonzero(self.table.find(keys) < 0)
        slots, new = self.once.insert(keys[rest])
        self._count(actors[rest[new]], peers[rest[new]], times[rest[new]])
        once, again = self.once, np.empty(len(rest), np.bool_)
        columns = once["target"], once["time"], once["weight"]
        _meet_once(slots, new, targets[rest], times[rest], weights[rest], *columns, again)
        np.maximum.at(once["touched"], slots, times[rest])
        moving, first = np.unique(keys[rest[again]], return_index=True)
        rows, held = rest[again][first], slots[again][first]
        to, _ = self.table.insert(moving)
        table = self.table
        table["actor"][to], table["peer"][to], table["touched"][to] = actors[rows], peers[rows], once["touched"][held]
        table["count"][to], table["weight"][to] = 1, once["weight"][held]
        table["targets"][to, 0], table["times"][to, 0] = once["target"][held], once["time"][held]
        # Not looked at again while the pair is in `table`; and no trace of how the meetings came in batches.
        once["touched"][held] = once["time"][held]
        return table.find(keys)

    def _count(self, actors: U64, peers: U64, times: npt.NDArray[np.int64]) -> None:
        for table, keys in ((self.actors, actors), (self.peers, peers)):
            slots, _ = table.insert(keys)
            np.add.at(table["met"], slots, 1.0)
            np.maximum.at(table["touched"], slots, times)
        self.total += len(actors)

    def _score(self, actors: U64) -> None:
        if len(actors) == 0:
            return
        pairs = self._repeated_slots(actors)
        _, log_odds = self._log_odds_of(pairs)
        owner = np.searchsorted(actors, self.table["actor"][pairs])
        # Pairs speak for themselves one by one, so what they say adds up.
        together = np.minimum(np.bincount(owner, log_odds, minlength=len(actors)), MOST_LOCKSTEP_LOG_ODDS)
        latest = np.zeros(len(actors), np.int64)
        np.maximum.at(latest, owner, self.table["touched"][pairs])
        slots, _ = self.lockstep.insert(actors)
        self.lockstep["log_odds"][slots] = together
        self.lockstep["touched"][slots] = latest

    def _log_odds_of(self, pairs: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        mine = _met(self.actors, self.table["actor"][pairs])
        expected = expected_meetings(mine, _met(self.peers, self.table["peer"][pairs]), self.total)
        return expected, lockstep_log_odds(self.table["count"][pairs], expected, mine)

    def _repeated_slots(self, actors: U64) -> npt.NDArray[np.int64]:
        used = self.table.occupied()
        used = used[np.isin(self.table["actor"][used], actors)]
        return used[np.argsort(self.table.keys[used])]

    def log_odds(self, actors: U64) -> npt.NDArray[np.float64]:
        """Standing lockstep log-odds of each actor, 0 where there is nothing. Shape (n,)."""
        slots = self.lockstep.find(actors)
        return np.where(slots >= 0, self.lockstep["log_odds"][slots], 0.0)

    def repeated(self, actors: U64) -> list[Repeated]:
        """The pairs of these actors that met more often than chance explains."""
        table, result = self.table, []
        slots = self._repeated_slots(actors)
        expected, log_odds = self._log_odds_of(slots)
        for slot, chance, odds in zip(slots.tolist(), expected.tolist(), log_odds.tolist(), strict=True):
            if odds <= 0:
                continue
            count = int(table["count"][slot])
            known = min(count, REMEMBERED_TARGETS)
            result.append(
                Repeated(
                    int(table["actor"][slot]),
                    int(table["peer"][slot]),
                    count,
                    chance,
                    odds,
                    tuple(table["targets"][slot][:known].tolist()),
                    tuple(table["times"][slot][:known].tolist()),
                )
            )
        return result

    def forget(self, before_ms: int) -> None:
        if self.table.expire(before_ms):
            used = self.table.occupied()
            known = set(self.table["peer"][used].tolist())
            self.names = {h: name for h, name in self.names.items() if h in known}
        for table in (self.once, self.lockstep, self.actors, self.peers):
            table.expire(before_ms)

    def snapshot(self) -> dict[str, npt.NDArray[Any]]:
        hashes = sorted(self.names)
        return {
            **self.once.snapshot("once"),
            **self.table.snapshot("pairs"),
            **self.lockstep.snapshot("lockstep"),
            **self.actors.snapshot("met.actors"),
            **self.peers.snapshot("met.peers"),
            "met.total": np.array([self.total]),
            "names.hash": np.array(hashes, np.uint64),
            "names.id": np.array([self.names[h] for h in hashes], dtype="U"),
        }

    def restore(self, arrays: Arrays) -> None:
        self.once.restore("once", arrays)
        self.table.restore("pairs", arrays)
        self.lockstep.restore("lockstep", arrays)
        self.actors.restore("met.actors", arrays)
        self.peers.restore("met.peers", arrays)
        self.total = float(arrays["met.total"][0])
        self.names = dict(zip(arrays["names.hash"].tolist(), arrays["names.id"].tolist(), strict=True))


def _met(table: SlotTable, keys: U64) -> npt.NDArray[np.float64]:
    slots = table.find(keys)
    return np.where(slots >= 0, table["met"][slots], 1.0)
