"""Metronomes: gaps between an actor's likes that are all much alike.

The entropy of log gaps (Gianvecchio and Wang, Detecting Covert Timing Channels, CCS 2007, and Gianvecchio et al.,
Measurement and Classification of Humans and Bots in Internet Chat, USENIX Security 2008), in bins of a quarter of an
octave, over an actor's last 20 to 40 gaps. Measured: no person of two streams is below 1.84 bits; a bot of any interval
with a jitter of 5 % is at most at 1.

- A pause of more than six hours is a night or the habit of a time of day (a like at each breakfast is no machine's):
  it is not counted as a gap.
- A clock that is cut to the minute or the hour makes gaps alike. So most gaps must last eight ticks of the clock that
  the actor's own likes show, and those of clocks that tick in hours are not judged.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from services.detector.signals.actor_signal import BASELINE, FOUND, STRENGTH, VALUE, ActorSignal, Episodes
from services.detector.signals.signal import Findings, Rows

SECOND_MS: Final = 1_000
LONGEST_GAP_MS: Final = 6 * 3_600_000
BINS_PER_OCTAVE: Final = 4
# Bin 0 is below a second; the longest gap is in bin 58.
BINS: Final = 64
FEWEST_GAPS: Final = 20
GAPS: Final = 40
# Judged at every so many gaps.
STEP: Final = 4
# Bits.
BAR: Final = 1.5
USUAL: Final = 3.0

# The least bin of most gaps: from eight seconds on, from eight minutes on where the clock ticks in minutes, and none.
FROM_8_SECONDS: Final = 1 + 3 * BINS_PER_OCTAVE
FROM_8_MINUTES: Final = 1 + 9 * BINS_PER_OCTAVE
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
# As many likes in a row on the same tick are no accident.
TICKS: Final = 12

# Anchors say when the oldest of the last gaps was: the time, in seconds, at every tenth gap.
ANCHORS: Final = 5
GAPS_BETWEEN: Final = GAPS // (ANCHORS - 1)

# Columns of `state`: gaps so far, likes in a row at whole minutes and at whole hours, when the last episode began
# (seconds), whether it goes on.
COUNT, MINUTES, HOURS, BEGAN, GOES_ON = range(5)

C_LOG_C: Final = np.array([0.0, *(c * np.log2(c) for c in range(1, GAPS + 1))])


@njit(cache=True)
def _bin(gap_ms: int) -> int:
    if gap_ms < SECOND_MS:
        return 0
    return 1 + int(BINS_PER_OCTAVE * np.log2(gap_ms / SECOND_MS))


@njit(cache=True)
def _entropy(gaps: Any, least: int, scratch: Any) -> float:
    """Entropy in bits of the bins `gaps`, shape (n,); infinite where the median is below bin `least`."""
    long = 0
    for i in range(len(gaps)):
        scratch[gaps[i]] += 1
        long += gaps[i] >= least
    total = 0.0
    for i in range(len(gaps)):
        total += C_LOG_C[scratch[gaps[i]]]
        scratch[gaps[i]] = 0
    return np.log2(len(gaps)) - total / len(gaps) if 2 * long > len(gaps) else np.inf


@njit(cache=True)
def _judge(state: Any, gaps: Any, anchors: Any, found: Any, scratch: Any) -> None:
    least = FROM_8_SECONDS
    if state[HOURS] >= TICKS:
        least = BINS
    elif state[MINUTES] >= TICKS:
        least = FROM_8_MINUTES
    bits = _entropy(gaps[: min(state[COUNT], GAPS)], least, scratch)
    if bits > BAR:
        state[GOES_ON] = 0
        return
    if not state[GOES_ON]:
        began = anchors[max(state[COUNT] - GAPS, 0) // GAPS_BETWEEN % ANCHORS]
        if began != state[BEGAN]:
            state[BEGAN] = began
            found[STRENGTH] = 0
    state[GOES_ON] = 1
    # 1 at the bar, 2 where all gaps are one.
    strength = np.float32(2 - bits / BAR)
    if strength > found[STRENGTH]:
        found[STRENGTH], found[VALUE], found[BASELINE] = strength, bits, USUAL


@njit(cache=True)
def _observe(
    at: Any,
    slots: Any,
    touched: Any,
    state: Any,
    gaps: Any,
    anchors: Any,
    found: Any,
    marked: Any,
    first_at: Any,
    marks: Any,
) -> None:
    scratch = np.zeros(BINS, np.int64)
    for i in range(len(at)):
        slot = slots[i]
        gap = at[i] - touched[slot]
        if at[i] % MINUTE_MS == 0:
            state[slot, MINUTES] += 1
            state[slot, HOURS] = state[slot, HOURS] + 1 if at[i] % HOUR_MS == 0 else 0
        else:
            state[slot, MINUTES] = state[slot, HOURS] = 0
        if touched[slot] == 0:
            anchors[slot, 0] = at[i] // SECOND_MS
        elif 0 <= gap <= LONGEST_GAP_MS:
            gaps[slot, state[slot, COUNT] % GAPS] = _bin(gap)
            state[slot, COUNT] += 1
            if state[slot, COUNT] % GAPS_BETWEEN == 0:
                anchors[slot, state[slot, COUNT] // GAPS_BETWEEN % ANCHORS] = at[i] // SECOND_MS
            if state[slot, COUNT] >= FEWEST_GAPS and state[slot, COUNT] % STEP == 0:
                _judge(state[slot], gaps[slot], anchors[slot], found[slot], scratch)
        touched[slot] = max(touched[slot], at[i])
        if state[slot, GOES_ON]:
            marked[i], first_at[i] = True, np.int64(state[slot, BEGAN]) * SECOND_MS
            marks[i] = found[slot]


class Metronome(ActorSignal):
    name = "metronome"

    def __init__(self, max_actors: int = 1_000_000) -> None:
        columns = {
            "state": (np.int64, 5),
            "gaps": (np.uint8, GAPS),
            "anchors": (np.int64, ANCHORS),
            "found": FOUND,
        }
        super().__init__(columns, max_actors)

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
            state["gaps"],
            state["anchors"],
            state["found"],
            episodes.marked,
            episodes.first_at,
            episodes.found,
        )
        return episodes.findings(rows.actor, rows.occurred_at, 1.0)

    @staticmethod
    def sentence(value: float, baseline: float) -> str:
        return (
            f"Gaps between likes are all alike, as a machine's: {value:.1f} bits of entropy, where people have "
            f"{baseline:.0f} and more."
        )
