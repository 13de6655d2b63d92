"""From how an actor stands in lockstep to findings: bars by scale, and what may convict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from services.detector.signals.lockstep import Standing
from services.detector.signals.signal import SCALES, Findings, joined

I64 = npt.NDArray[np.int64]

# Log-likelihood ratios by scale: of the third-best partner, from which an actor stands out; of the eighth-best, from
# which there is a crowd of partners; and of a pair, from which the two belong together.
STANDS_OUT: Final = np.array([9.0, 9.0, 12.0, 14.0])
CROWD: Final = np.array([6.0, 7.0, 10.0, 12.0])
PAIR: Final = np.array([6.0, 6.0, 13.0, 14.0])
# A pair alone is worth a look where it is this far beyond its bar.
PAIR_ALONE: Final = 2.0
FAST: Final = np.array([True, True, False, False])
# Share of all that an actor liked that lies inside, from which that is what the account is for.
MOSTLY: Final = 0.5


@dataclass(frozen=True)
class Habit:
    """What actors did besides, shape (n,): likes within the horizon, and the time (ms) of the first."""

    likes: I64
    first_at: I64


def findings(standing: Standing, habit: Habit) -> list[Findings]:
    """What is found at each scale."""
    return [_at_scale(standing, habit, s) for s in range(len(SCALES))]


def _at_scale(standing: Standing, habit: Habit, s: int) -> Findings:
    third = standing.third[:, s] / STANDS_OUT[s]
    pair = np.minimum(standing.best[:, s] / (PAIR_ALONE * PAIR[s]), 1.2)
    strength = np.maximum(third, pair)
    crowd = (third >= 1) & (standing.eighth[:, s] >= CROWD[s])
    if not FAST[s]:
        inside = standing.met[:, s] >= MOSTLY * habit.likes
        crowd &= standing.creators_known[:, s] | inside
    some = np.flatnonzero(strength >= 0.5)
    return joined(
        [
            Findings(
                standing.actor[some],
                np.zeros(len(some), np.uint64),
                strength[some],
                crowd[some],
                standing.met[some, s],
                standing.best[some, s],
                standing.first_at[some, s],
                standing.last_at[some, s],
            )
        ]
    )
