"""From how an actor stands in lockstep to findings: bars by scale, and what may convict.

By accident people reach higher scores where more is going on and where a feed shows everybody the same things, so
the bars are the stream's own: 1.3 times what one actor in 10,000 reaches on a usual day, between a floor and a
ceiling. They begin high on large streams. Who stands far out is not learnt from (the conditional merge of MIDAS-F:
Bhatia et al., TKDD 2022), and days are taken by their median, so an attack lifts no bar beyond the ceiling, and none
at all unless it lasts a week.
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
FLOORS: Final = np.array([[6.0, 6.0, 7.5, 9.0], [4.5, 4.5, 6.0, 7.0], [4.0, 4.0, 9.0, 10.0]])
THIRD, SIXTH, PAIR = range(3)
# What a bar begins at above its floor, for each e-fold of the stream's likes beyond these.
LIFT: Final = np.array([[5.0], [4.3], [5.5]])
SMALL_STREAM: Final = 5000.0
MARGIN: Final = 1.3
ONE_IN: Final = 10_000
# The median of as many days is what is usual, so that what goes on for some days does not become it; and as many are
# needed until it counts. Only days with meetings.
REMEMBERED_DAYS: Final = 30
CALM_DAYS: Final = 3
# However much goes on, a bar does not rise beyond this many times its floor, or beyond where it began; and above this
# share of that a score is not learnt.
HIGHEST: Final = 3.0
LEARNT_BELOW: Final = 0.75
# A pair alone is worth a look where it is this far beyond its bar.
PAIR_ALONE: Final = 2.5
FAST: Final = np.array([True, True, False, False])
# Share of all that an actor liked that lies inside, from which that is what the account is for. Who likes much else is
# convicted only from this many times the bar on, and at a slow scale only where creators are known.
MOSTLY: Final = 0.4
FAR: Final = 2.0
# Where it is the share, the fewest places of a pair: three things that a day's news brings are no campaign.
LEAST_MET: Final = np.array([3, 3, 4, 5])


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
    # The last meeting, and how many likes the stream had had by then (decayed), shapes (n,).
    met_at: I64
    stream_likes: F64

    def of(self, which: Any) -> Standing:
        """Rows by index or mask."""
        return Standing(*(getattr(self, f.name)[which] for f in fields(self)))


@dataclass(frozen=True)
class Habit:
    """What actors did besides, shape (n,): likes within the horizon, up to their last meeting."""

    likes: I64


class Bars:
    """Bars of one partition. Learns once a day of event time."""

    def __init__(self) -> None:
        self._day, self._days = -1, 0
        # Of the last days, by THIRD, SIXTH, PAIR and scale.
        self._calm = np.zeros((REMEMBERED_DAYS, *FLOORS.shape))

    def heights(self, stream_likes: F64) -> F64:
        """By THIRD, SIXTH, PAIR and scale, for those who last met when the stream had had so many likes. Shape
        (n, 3, 4) for (n,).
        """
        start = FLOORS + LIFT * np.log(np.maximum(stream_likes / SMALL_STREAM, 1.0))[:, None, None]
        if self._days < CALM_DAYS:
            return start
        usual: F64 = np.median(self._calm[: min(self._days, REMEMBERED_DAYS)], axis=0)
        height: F64 = np.clip(MARGIN * usual, FLOORS, np.maximum(start, HIGHEST * FLOORS))
        # Who belongs together is not relative to what others do.
        height[:, PAIR] = start[:, PAIR]
        return height

    def belong_together(self, standing: Standing) -> npt.NDArray[np.bool_]:
        """Whether each actor and its best partner do, by scale. Shape (n, 4)."""
        together: npt.NDArray[np.bool_] = standing.best >= self.heights(standing.stream_likes)[:, PAIR]
        return together

    def is_new(self, day: int) -> bool:
        return day > self._day

    def learn(self, day: int, standing: Standing) -> None:
        """Before the first meeting of a day: from how all actors stand."""
        self._day = day
        usual = self._calm[self._days % REMEMBERED_DAYS]
        self._days += 1
        most = standing.stream_likes.max(initial=0.0)
        start = FLOORS + LIFT * np.log(max(most / SMALL_STREAM, 1.0))
        ceiling = LEARNT_BELOW * np.maximum(start, HIGHEST * FLOORS)
        for row, scores in ((THIRD, standing.third), (SIXTH, standing.sixth), (PAIR, standing.best)):
            # Those with no partner worth remembering are many more; of a stream of fewer than 10,000 the highest.
            rank = len(standing.actor) // ONE_IN
            for s in range(len(SCALES)):
                kept = np.sort(scores[scores[:, s] < ceiling[row, s], s])
                usual[row, s] = kept[-1 - rank] if len(kept) > rank else 0.0

    def findings(self, standing: Standing, habit: Habit) -> list[Findings]:
        """How each actor stands at each scale, also where that is nothing."""
        heights = self.heights(standing.stream_likes)
        return [_at_scale(standing, habit, heights[:, :, s], s) for s in range(len(SCALES))]

    def snapshot(self) -> Arrays:
        return {
            "bars.calm": self._calm.copy(),
            "bars.days": np.array([self._day, self._days]),
        }

    def restore(self, arrays: Arrays) -> None:
        self._calm = arrays["bars.calm"].copy()
        self._day, self._days = arrays["bars.days"].tolist()


def _at_scale(standing: Standing, habit: Habit, height: F64, s: int) -> Findings:
    third = standing.third[:, s] / height[:, THIRD]
    pair = np.minimum(standing.best[:, s] / (PAIR_ALONE * height[:, PAIR]), 1.2)
    crowd = (third >= 1) & (standing.sixth[:, s] >= height[:, SIXTH])
    inside = standing.met[:, s] >= np.maximum(MOSTLY * habit.likes, LEAST_MET[s])
    crowd &= inside | ((third >= FAR) & (FAST[s] | standing.creators_known[:, s]))
    return Findings(
        standing.actor,
        np.zeros(len(third), np.uint64),
        np.maximum(third, pair),
        crowd,
        standing.met[:, s],
        standing.best[:, s],
        standing.first_at[:, s],
        standing.last_at[:, s],
    )
