"""Floods: an actor who likes at more moments of an hour than anyone here does.

Likes are not counted, but the *moments* at which they are given: bins of 5 s with a like in them. What a machine
stamped at once (an import, a phone that comes back on the air, a page of ratings that is sent whole) is one moment, as
it is one act. The bar follows the stream: beyond what all but a hundredth of its actors' hours reach, with room above.
Hours beyond the bar are not learnt, so a flood does not make itself usual: the conditional merge of MIDAS-F (Bhatia et
al., Real-Time Anomaly Detection in Edge Streams, TKDD 2022). Whoever liked nearly as much on calm days before is given
room above that, too.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from services.detector.signals.actor_signal import BASELINE, FOUND, STRENGTH, VALUE, ActorSignal, Episodes
from services.detector.signals.signal import Findings, Rows
from shared.checkpoints import Arrays

HOUR_MS: Final = 3_600_000
MOMENT_MS: Final = 5_000
MOMENTS_IN_HOUR: Final = HOUR_MS // MOMENT_MS
# The rolling hour is kept in twelve parts of five minutes.
PARTS: Final = 12
MOMENTS_IN_PART: Final = MOMENTS_IN_HOUR // PARTS
PART_MS: Final = HOUR_MS // PARTS

# Moments in an hour. LEAST: two sittings of 40 likes, one every six seconds, are nobody's flood anywhere. MOST: a like
# every 24 s for an hour is one anywhere (the busiest of MovieLens' raters reach 136), so that is the bar while little
# is known, and an attack that creeps can lift it no further.
LEAST_BAR: Final = 90.0
MOST_BAR: Final = 150.0
# Until so many hours of actors are known.
FEWEST_HOURS: Final = 200.0
QUANTILE: Final = 0.99
ROOM: Final = 1.75
ROOM_ABOVE_OWN: Final = 1.5
HALF_LIFE_HOURS: Final = 60 * 24.0

# Columns of `state`: the last moment, moments in the rolling hour, in this clock hour and in the one before, the part
# in which the last episode began and whether it goes on, whether this clock hour has seen the bar passed.
MOMENT, IN_ROLLING, IN_HOUR, IN_LAST_HOUR, BEGAN, GOES_ON, PASSED = range(7)
# Rows of `recent`: hours of actors that are not learnt yet.
THIS, LAST = range(2)
# Columns of `bars`: the stream's bar, and what is usual here.
BAR, USUAL = range(2)


@njit(cache=True)
def _learn(known: Any, recent: Any, bars: Any, hours: int) -> None:
    """The clock is `hours` further: merge the hour before into what is known, and set the bar."""
    kept = 0.5 ** (hours / HALF_LIFE_HOURS)
    total = 0.0
    for moments in range(len(known)):
        known[moments] = known[moments] * kept + recent[LAST, moments]
        recent[LAST, moments] = recent[THIS, moments]
        recent[THIS, moments] = 0
        if hours > 1:
            known[moments] += recent[LAST, moments]
            recent[LAST, moments] = 0
        total += known[moments]
    if total < FEWEST_HOURS:
        bars[BAR], bars[USUAL] = MOST_BAR, MOST_BAR / ROOM
        return
    # A quantile of few hours is uncertain, so its upper end is taken: two deviations of the count above it.
    above, moments = total * (1 - QUANTILE), len(known) - 1
    above = max(above - 2 * np.sqrt(above), 0.0)
    beyond = known[moments]
    while moments > 0 and beyond <= above:
        moments -= 1
        beyond += known[moments]
    bars[USUAL] = moments
    bars[BAR] = min(max(moments * ROOM, LEAST_BAR), MOST_BAR)


@njit(cache=True)
def _count(moment: int, state: Any, parts: Any, habit: Any, recent: Any) -> None:
    """Take in a new moment of an actor: `state` of shape (7,), `parts` (12,)."""
    part, last = moment // MOMENTS_IN_PART, state[MOMENT] // MOMENTS_IN_PART
    if part - last >= PARTS:
        parts[:] = 0
        state[IN_ROLLING] = 0
    else:
        for gone in range(last + 1, part + 1):
            state[IN_ROLLING] -= parts[gone % PARTS]
            parts[gone % PARTS] = 0
    parts[part % PARTS] += 1
    state[IN_ROLLING] += 1
    hours = moment // MOMENTS_IN_HOUR - state[MOMENT] // MOMENTS_IN_HOUR
    if hours > 0:
        # An hour that passed the bar is no habit.
        calm = 0 if state[PASSED] else state[IN_HOUR]
        habit[0] = max(calm, habit[0]) * 0.5 ** (hours / HALF_LIFE_HOURS)
        state[IN_LAST_HOUR] = calm if hours == 1 else 0
        state[IN_HOUR] = state[PASSED] = 0
    state[MOMENT] = moment
    state[IN_HOUR] += 1
    if not state[PASSED]:
        if state[IN_HOUR] > 1:
            recent[THIS, state[IN_HOUR] - 1] -= 1
        recent[THIS, state[IN_HOUR]] += 1


@njit(cache=True)
def _unlearn(state: Any, recent: Any) -> None:
    """This clock hour of an actor passes the bar: neither it nor the one that led to it is calm."""
    recent[THIS, state[IN_HOUR]] -= 1
    if state[IN_LAST_HOUR] > 0:
        recent[LAST, state[IN_LAST_HOUR]] -= 1
        state[IN_LAST_HOUR] = 0
    state[PASSED] = 1


@njit(cache=True)
def _judge(state: Any, parts: Any, habit: float, found: Any, recent: Any, bars: Any) -> bool:
    """Whether the actor is beyond the bar; if so, the episode is kept in `state` and `found`."""
    bar = bars[BAR]
    if state[IN_ROLLING] >= bar:
        bar = min(max(bar, ROOM_ABOVE_OWN * habit), max(bar, MOST_BAR))
    if state[IN_ROLLING] < bar:
        state[GOES_ON] = 0
        return False
    if not state[GOES_ON]:
        first = state[MOMENT] // MOMENTS_IN_PART - PARTS + 1
        while parts[first % PARTS] == 0:
            first += 1
        # One that begins where the last one did is still that one.
        if first != state[BEGAN]:
            state[BEGAN] = first
            found[STRENGTH] = 0
    state[GOES_ON] = 1
    if not state[PASSED]:
        _unlearn(state, recent)
    strength = np.float32(state[IN_ROLLING] / bar)
    if strength > found[STRENGTH]:
        found[STRENGTH], found[VALUE], found[BASELINE] = strength, state[IN_ROLLING], max(bars[USUAL], habit)
    return True


@njit(cache=True)
def _observe(
    at: Any,
    slots: Any,
    touched: Any,
    state: Any,
    parts: Any,
    habit: Any,
    found: Any,
    known: Any,
    recent: Any,
    bars: Any,
    hour: int,
    marked: Any,
    first_at: Any,
    marks: Any,
) -> int:
    for i in range(len(at)):
        # The bar moves where the likes' own time passes an hour, wherever a batch ends.
        if at[i] // HOUR_MS > hour:
            if hour >= 0:
                _learn(known, recent, bars, at[i] // HOUR_MS - hour)
            hour = at[i] // HOUR_MS
        slot = slots[i]
        touched[slot] = max(touched[slot], at[i])
        # A late like is one of this hour's.
        moment = max(at[i] // MOMENT_MS, hour * MOMENTS_IN_HOUR)
        if moment > state[slot, MOMENT]:
            _count(moment, state[slot], parts[slot], habit[slot : slot + 1], recent)
        if _judge(state[slot], parts[slot], habit[slot], found[slot], recent, bars):
            marked[i], first_at[i] = True, np.int64(state[slot, BEGAN]) * PART_MS
            marks[i] = found[slot]
    return hour


class Rate(ActorSignal):
    name = "rate"

    def __init__(self, max_actors: int = 1_000_000) -> None:
        columns = {"state": (np.int32, 7), "parts": (np.uint8, PARTS), "habit": np.float32, "found": FOUND}
        super().__init__(columns, max_actors)
        # How many hours of actors had so many moments.
        self.known = np.zeros(MOMENTS_IN_HOUR + 1)
        self.recent = np.zeros((2, MOMENTS_IN_HOUR + 1), np.int64)
        self.bars = np.array([MOST_BAR, MOST_BAR / ROOM])
        self.hour = -1

    def observe(self, rows: Rows, now: int) -> Findings:
        if rows.unlike.any():
            rows = rows.take(~rows.unlike)
        slots, _ = self.table.insert(rows.actor)
        episodes, state = Episodes(len(rows)), self.table.column
        self.hour = _observe(
            rows.occurred_at,
            slots,
            state["touched"],
            state["state"],
            state["parts"],
            state["habit"],
            state["found"],
            self.known,
            self.recent,
            self.bars,
            self.hour,
            episodes.marked,
            episodes.first_at,
            episodes.found,
        )
        return episodes.findings(rows.actor, rows.occurred_at, 1.0)

    @staticmethod
    def sentence(value: float, baseline: float) -> str:
        return (
            f"Liked at {value:.0f} different moments (of 5 s) within an hour, where a hundredth of all hours "
            f"here has {baseline:.0f}."
        )

    def snapshot(self) -> Arrays:
        stream = {"known": self.known, "recent": self.recent, "bars": self.bars, "hour": np.array([self.hour])}
        return {**super().snapshot(), **{f"{self.name}.stream.{name}": a.copy() for name, a in stream.items()}}

    def restore(self, arrays: Arrays) -> None:
        super().restore(arrays)
        self.known, self.recent, self.bars = (
            arrays[f"{self.name}.stream.{name}"].copy() for name in ("known", "recent", "bars")
        )
        self.hour = int(arrays[f"{self.name}.stream.hour"][0])
