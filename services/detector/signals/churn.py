"""Churn: like, unlike and like of the same targets, again and again.

A like that is taken back and given again brings its target (or its giver, by a notice) back to the top: a known trick
of engagement bots. People change their minds, slip, or have a program put a whole list in once more: so a slip (taken
back and given within seconds) counts once at most every ten seconds, and likes given again together are one.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from services.detector.signals.actor_signal import (
    BASELINE,
    FOUND,
    STRENGTH,
    VALUE,
    ActorSignal,
    Episodes,
    leave_out,
)
from services.detector.signals.signal import NOTHING, Findings, Rows
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.slots import SlotTable

HOUR_MS: Final = 3_600_000
MOMENT_MS: Final = 10_000
# The rolling day is kept in hours.
HOURS: Final = 24
# Moments in a day at which a like was given again. It convicts at twice as many.
BAR: Final = 10
CONVICTS_FROM: Final = 2.0
USUAL: Final = 1

# Columns of a pair's `times`: when it was last unliked (0: it is liked), and when it was last liked again.
UNLIKED_AT, AGAIN_AT = range(2)
# Columns of `state`: the last moment, moments in the rolling day, the hour in which the last episode began, whether it
# goes on.
MOMENT, IN_DAY, BEGAN, GOES_ON = range(4)


@njit(cache=True)
def _dirty(at: int, times: Any) -> bool:
    """Whether this like of a pair that was unliked counts as given again. `times` has shape (2,)."""
    slip = at - times[UNLIKED_AT] < MOMENT_MS and at - times[AGAIN_AT] < MOMENT_MS
    first_slip = at - times[UNLIKED_AT] < MOMENT_MS and times[AGAIN_AT] == 0
    times[UNLIKED_AT] = 0
    if not slip:
        times[AGAIN_AT] = at
    return not slip and not first_slip


@njit(cache=True)
def _count(moment: int, state: Any, hours: Any, found: Any) -> None:
    """Take in a moment at which an actor liked again: `state` of shape (4,), `hours` (24,)."""
    hour = moment * MOMENT_MS // HOUR_MS
    last = state[MOMENT] * MOMENT_MS // HOUR_MS
    for gone in range(max(last + 1, hour - HOURS + 1), hour + 1):
        state[IN_DAY] -= hours[gone % HOURS]
        hours[gone % HOURS] = 0
    hours[hour % HOURS] += 1
    state[IN_DAY] += 1
    state[MOMENT] = moment
    if state[IN_DAY] < BAR:
        state[GOES_ON] = 0
        return
    if not state[GOES_ON]:
        first = hour - HOURS + 1
        while hours[first % HOURS] == 0:
            first += 1
        if first != state[BEGAN]:
            state[BEGAN] = first
            found[STRENGTH] = 0
    state[GOES_ON] = 1
    strength = np.float32(state[IN_DAY] / BAR)
    if strength > found[STRENGTH]:
        found[STRENGTH], found[VALUE], found[BASELINE] = strength, state[IN_DAY], USUAL


@njit(cache=True)
def _observe_pairs(at: Any, unlike: Any, slots: Any, touched: Any, times: Any, again: Any) -> None:
    """Mark the likes that are given again."""
    for i in range(len(at)):
        slot = slots[i]
        if slot < 0:
            continue
        if unlike[i]:
            times[slot, UNLIKED_AT] = at[i]
        elif times[slot, UNLIKED_AT] == 0:
            # Liked already, or liked before its first unlike: nothing is given again.
            continue
        else:
            again[i] = _dirty(at[i], times[slot])
        touched[slot] = max(touched[slot], at[i])


@njit(cache=True)
def _observe_actors(
    at: Any, slots: Any, touched: Any, state: Any, hours: Any, found: Any, marked: Any, first_at: Any, marks: Any
) -> None:
    for i in range(len(at)):
        slot = slots[i]
        touched[slot] = max(touched[slot], at[i])
        moment = at[i] // MOMENT_MS
        if moment > state[slot, MOMENT]:
            _count(moment, state[slot], hours[slot], found[slot])
        if state[slot, GOES_ON]:
            marked[i], first_at[i] = True, state[slot, BEGAN] * HOUR_MS
            marks[i] = found[slot]


class Churn(ActorSignal):
    name = "churn"

    def __init__(self, max_actors: int = 1_000_000) -> None:
        # Only those who have liked something again.
        super().__init__({"state": (np.int64, 4), "hours": (np.uint16, HOURS), "found": FOUND}, max_actors)
        # Pairs of actor and target that have been unliked.
        self.pairs = SlotTable({"actor": np.uint64, "times": (np.int64, 2)}, max_actors)

    def observe(self, rows: Rows, now: int) -> Findings:
        if not len(self.pairs) and not rows.unlike.any():
            return NOTHING
        again = self._given_again(rows)
        if not again.any():
            return NOTHING
        actor, at = rows.actor[again], rows.occurred_at[again]
        slots, _ = self.table.insert(actor)
        episodes, state = Episodes(len(at)), self.table.column
        _observe_actors(
            at,
            slots,
            state["touched"],
            state["state"],
            state["hours"],
            state["found"],
            episodes.marked,
            episodes.first_at,
            episodes.found,
        )
        return episodes.findings(actor, at, CONVICTS_FROM)

    def _given_again(self, rows: Rows) -> Any:
        keys = mix(rows.actor, rows.target)
        unliked = np.flatnonzero(rows.unlike)
        slots, _ = self.pairs.insert(keys[unliked])
        self.pairs["actor"][slots] = rows.actor[unliked]
        again = np.zeros(len(rows), np.bool_)
        slots = self.pairs.find(keys)
        _observe_pairs(rows.occurred_at, rows.unlike, slots, self.pairs["touched"], self.pairs["times"], again)
        return again

    @staticmethod
    def sentence(value: float, baseline: float) -> str:
        return (
            f"Took likes back and gave them again at {value:.0f} different moments of a day; people do so at "
            f"{baseline:.0f}."
        )

    def expire(self, before_ms: int) -> None:
        super().expire(before_ms)
        self.pairs.expire(before_ms)

    def forget(self, actors: U64) -> None:
        super().forget(actors)
        used = self.pairs.occupied()
        leave_out(self.pairs, used[np.isin(self.pairs["actor"][used], actors)])

    def snapshot(self) -> Arrays:
        return {**super().snapshot(), **self.pairs.snapshot(f"{self.name}.pairs")}

    def restore(self, arrays: Arrays) -> None:
        super().restore(arrays)
        self.pairs.restore(f"{self.name}.pairs", arrays)
