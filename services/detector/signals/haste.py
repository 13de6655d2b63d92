"""Haste: more likes in a stretch than a thumb gives. It never convicts: imports and phones that come back on the air
look the same.

A leaky bucket (Turner, New Directions in Communications, 1986): each like adds one, and half a like a second runs out.
So it speaks for a batch that was stamped with one second, and for a pace beyond a thumb's that goes on and on; a page
of ten ratings sent at once, or an onboarding at two seconds a like, leaves it nearly empty. Where an actor's times are
cut to the minute or coarser, no pace can be seen in them, and it is silent.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from services.detector.signals.actor_signal import BASELINE, FOUND, STRENGTH, VALUE, ActorSignal, Episodes
from services.detector.signals.signal import Findings, Rows

LIKES_A_MS: Final = 0.5 / 1000
# Likes above a thumb's pace. On MovieLens and on two streams of a social network and a code host nobody reaches 11.
BAR: Final = 20.0
NEVER: Final = np.inf

MINUTE_MS: Final = 60_000
# As many likes in a row at whole minutes are no accident.
TICKS: Final = 12

# Columns of `state`: when the bucket was last empty, likes since, likes in a row at whole minutes.
BEGAN, LIKES, MINUTES = range(3)


@njit(cache=True)
def _observe(
    at: Any, slots: Any, touched: Any, state: Any, level: Any, found: Any, marked: Any, first_at: Any, marks: Any
) -> None:
    for i in range(len(at)):
        slot = slots[i]
        left = level[slot] - max(at[i] - touched[slot], 0) * LIKES_A_MS
        touched[slot] = max(touched[slot], at[i])
        if left <= 0:
            left = 0.0
            state[slot, BEGAN], state[slot, LIKES] = at[i], 0
            found[slot, STRENGTH] = 0
        level[slot] = left + 1
        state[slot, LIKES] += 1
        state[slot, MINUTES] = state[slot, MINUTES] + 1 if at[i] % MINUTE_MS == 0 else 0
        if level[slot] >= BAR and state[slot, MINUTES] < TICKS:
            strength = np.float32(level[slot] / BAR)
            if strength > found[slot, STRENGTH]:
                likes = state[slot, LIKES]
                found[slot, STRENGTH] = strength
                found[slot, VALUE], found[slot, BASELINE] = likes, likes - level[slot] + 1
            marked[i], first_at[i] = True, state[slot, BEGAN]
            marks[i] = found[slot]


class Haste(ActorSignal):
    name = "haste"

    def __init__(self, max_actors: int = 1_000_000) -> None:
        super().__init__({"state": (np.int64, 3), "level": np.float64, "found": FOUND}, max_actors)

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
            state["level"],
            state["found"],
            episodes.marked,
            episodes.first_at,
            episodes.found,
        )
        return episodes.findings(rows.actor, rows.occurred_at, NEVER)

    @staticmethod
    def sentence(value: float, baseline: float) -> str:
        return (
            f"Gave {value:.0f} likes in the time in which a fast thumb gives {baseline:.0f}: sent together, or by a "
            "machine."
        )
