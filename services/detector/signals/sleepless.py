"""Sleepless: likes in nearly every hour of three days on end.

People's activity follows the day, and sleep shows as hours of silence in every log of it (Cresci et al., Fame for
Sale, DSS 2015, and the review Cresci, A Decade of Social Bot Detection, CACM 2020). A like in each waking hour would be
54 hours of 72; the most that was seen are 20.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from services.detector.signals.actor_signal import ActorSignal, Episodes
from services.detector.signals.signal import Findings, Rows

HOUR_MS: Final = 3_600_000
HOURS: Final = 72
BAR: Final = 60
AWAKE: Final = 48

# Columns of `state`: the last hour with a like, how many of the last HOURS have one, the hour in which the present
# episode began (0: there is none), and the most of that episode.
HOUR, ACTIVE, BEGAN, MOST = range(4)


@njit(cache=True)
def _count(hour: int, state: Any, hours: Any) -> None:
    """Take in an hour with a like: `state` of shape (4,), `hours` a ring of bits of shape (9,)."""
    if hour - state[HOUR] >= HOURS:
        hours[:] = 0
        state[ACTIVE] = 0
    else:
        for gone in range(state[HOUR] + 1, hour + 1):
            bit = 1 << gone % 8
            if hours[gone % HOURS // 8] & bit:
                hours[gone % HOURS // 8] &= 255 - bit
                state[ACTIVE] -= 1
    hours[hour % HOURS // 8] |= 1 << hour % 8
    state[ACTIVE] += 1
    state[HOUR] = hour
    if state[ACTIVE] < BAR:
        state[BEGAN] = 0
        return
    if state[BEGAN] == 0:
        state[BEGAN], state[MOST] = hour - HOURS + 1, 0
    state[MOST] = max(state[MOST], state[ACTIVE])


@njit(cache=True)
def _observe(at: Any, slots: Any, touched: Any, state: Any, hours: Any, marked: Any, first_at: Any, marks: Any) -> None:
    for i in range(len(at)):
        slot = slots[i]
        touched[slot] = max(touched[slot], at[i])
        hour = at[i] // HOUR_MS
        if hour > state[slot, HOUR]:
            _count(hour, state[slot], hours[slot])
        if state[slot, BEGAN] > 0:
            marked[i], first_at[i] = True, np.int64(state[slot, BEGAN]) * HOUR_MS
            most = state[slot, MOST]
            marks[i, 0], marks[i, 1], marks[i, 2] = most / BAR, most, AWAKE


class Sleepless(ActorSignal):
    name = "sleepless"

    def __init__(self, max_actors: int = 1_000_000) -> None:
        super().__init__({"state": (np.int32, 4), "hours": (np.uint8, HOURS // 8)}, max_actors)

    def observe(self, rows: Rows, now: int) -> Findings:
        if rows.unlike.any():
            rows = rows.take(~rows.unlike)
        slots, _ = self.table.insert(rows.actor)
        episodes, state = Episodes(len(rows)), self.table.column
        _observe(
            rows.occurred_at,
            slots,
            state["touched"],
            state["state"],
            state["hours"],
            episodes.marked,
            episodes.first_at,
            episodes.found,
        )
        return episodes.findings(rows.actor, rows.occurred_at, 1.0)

    @staticmethod
    def sentence(value: float, baseline: float) -> str:
        return f"Liked in {value:.0f} of {HOURS} hours on end; who sleeps is awake in {baseline:.0f} of them."
