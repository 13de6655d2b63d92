"""From how an actor stands in lockstep to findings: bars by scale, and what may convict.

By accident people reach higher scores where more is going on and where a feed shows everybody the same things, so
the bars are the stream's own: 1.3 times what one actor in 10,000 reaches in calm days, between a floor and a ceiling
that grows with the stream. Who stands out is not learnt from, so that an attack lifts no bar beyond the ceiling
(the conditional merge of MIDAS-F: Bhatia et al., TKDD 2022).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from services.detector.signals.signal import SCALES, Findings
from shared.checkpoints import Arrays

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

# Log-likelihood ratios by scale, at the least: of the third-best partner, from which an actor stands out; of the
# sixth-best, from which there is a crowd of partners; of a pair, from which the two belong together.
FLOORS: Final = np.array([[6.0, 6.0, 7.5, 9.0], [4.5, 4.5, 6.0, 7.0], [6.0, 6.0, 12.0, 13.0]])
THIRD, SIXTH, PAIR = range(3)
# What the ceiling is above the floor for each e-fold of the stream's likes beyond these.
CEILING: Final = np.array([[5.0], [4.3], [5.5]])
SMALL_STREAM: Final = 5000.0
MARGIN: Final = 1.3
ONE_IN: Final = 10_000
# Days with meetings until what was learnt counts.
CALM_DAYS: Final = 3
# Above this share of its ceiling a score is not learnt.
LEARNT_BELOW: Final = 0.75
# A pair alone is worth a look where it is this far beyond its bar.
PAIR_ALONE: Final = 1.5
FAST: Final = np.array([True, True, False, False])
# Share of all that an actor liked that lies inside, from which that is what the account is for; and how long before
# the first of it an account may have begun that is as young as it, ms.
MOSTLY: Final = 0.5
YOUNG_MS: Final = 86_400_000


@dataclass(frozen=True)
class Standing:
    """How actors stand, one row each. Shapes (n, 4): by scale. `best`, `third`, `sixth`: log-likelihood ratios of that
    partner; times in ms.
    """

    actor: npt.NDArray[np.uint64]
    best: F64
    third: F64
    sixth: F64
    # Places that the best of the actor's partners and it met on.
    met: F64
    first_at: I64
    last_at: I64
    creators_known: npt.NDArray[np.bool_]

    def of(self, which: Any) -> Standing:
        """Rows by index or mask."""
        return Standing(*(getattr(self, f.name)[which] for f in fields(self)))


@dataclass(frozen=True)
class Habit:
    """What actors did besides, shape (n,): likes within the horizon, and the time (ms) of the first."""

    likes: I64
    first_at: I64


class Bars:
    """Bars of one partition. Learns once a day of event time."""

    def __init__(self) -> None:
        self._stream = 0.0
        self._day, self._days = -1, 0
        # By THIRD, SIXTH, PAIR and scale.
        self._calm = np.zeros(FLOORS.shape)

    def see(self, stream_likes: npt.NDArray[Any]) -> None:
        """How many likes the stream has had, decayed, as of each meeting. Shape (n,)."""
        self._stream = float(stream_likes[-1])

    @property
    def ceiling(self) -> F64:
        return FLOORS + CEILING * np.log(max(self._stream / SMALL_STREAM, 1.0))

    @property
    def height(self) -> F64:
        """By THIRD, SIXTH, PAIR and scale. Shape (3, 4)."""
        if self._days < CALM_DAYS:
            return self.ceiling
        return np.clip(MARGIN * self._calm, FLOORS, self.ceiling)

    def is_new(self, day: int) -> bool:
        return day > self._day

    def learn(self, day: int, standing: Standing) -> None:
        """From how all actors stand before the first meeting of a day."""
        self._day, self._days = day, self._days + 1
        out = (standing.third >= LEARNT_BELOW * self.ceiling[THIRD]).any(axis=1)
        for row, scores in ((THIRD, standing.third), (SIXTH, standing.sixth), (PAIR, standing.best)):
            kept = scores[~out]
            kept = kept[(kept < LEARNT_BELOW * self.ceiling[row]).all(axis=1)]
            # Those with no partner worth remembering are many more; of a stream of fewer than 10,000 the highest.
            rank = len(standing.actor) // ONE_IN
            self._calm[row] = np.sort(kept, axis=0)[-1 - rank] if len(kept) > rank else 0.0

    def findings(self, standing: Standing, habit: Habit) -> list[Findings]:
        """What is found at each scale."""
        height = self.height
        return [_at_scale(standing, habit, height[:, s], s) for s in range(len(SCALES))]

    def snapshot(self) -> Arrays:
        return {
            "bars.calm": self._calm.copy(),
            "bars.facts": np.array([self._stream]),
            "bars.days": np.array([self._day, self._days]),
        }

    def restore(self, arrays: Arrays) -> None:
        self._calm = arrays["bars.calm"].copy()
        self._stream = float(arrays["bars.facts"][0])
        self._day, self._days = arrays["bars.days"].tolist()


def _at_scale(standing: Standing, habit: Habit, height: F64, s: int) -> Findings:
    third = standing.third[:, s] / height[THIRD]
    pair = np.minimum(standing.best[:, s] / (PAIR_ALONE * height[PAIR]), 1.2)
    crowd = (third >= 1) & (standing.sixth[:, s] >= height[SIXTH])
    if not FAST[s]:
        inside = standing.met[:, s] >= MOSTLY * habit.likes
        young = habit.first_at >= standing.first_at[:, s] - YOUNG_MS
        crowd &= standing.creators_known[:, s] | inside | young
    strength = np.maximum(third, pair)
    some = np.flatnonzero(strength >= 0.5)
    return Findings(
        standing.actor[some],
        np.zeros(len(some), np.uint64),
        strength[some],
        crowd[some],
        standing.met[some, s],
        standing.best[some, s],
        standing.first_at[some, s],
        standing.last_at[some, s],
    )
