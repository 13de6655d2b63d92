"""From what signals found to a probability and a label.

No weights are fitted to a stream: each signal states its score over its own bar. The strongest speaks; others that
also speak add to it. Guilt does not leak: what is found is about an actor's own likes in a span of time.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from shared.labels import AGENT, BOT, HUMAN, SUSPECT

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# Likes weigh in steps of this: a change within a step is not worth a republished like, and what a like weighs in the
# end follows from the findings about it alone, not from when it came.
WEIGHT_STEPS: Final = 20
# How often likes of each kind were people's on the streams of the evaluation (docs/detector.md), by strength.
HUMAN_PROBABILITY: Final = 0.98
SUSPECT_AT: Final = ((1.0, 0.7), (2.0, 0.5))
BOT_AT: Final = ((1.0, 0.1), (2.0, 0.02))


def fuse(strength: F64, convicts: Bools, family: npt.NDArray[np.int64], agent: Bools) -> tuple[Any, Any]:
    """Probability that a person acted and label, of n likes. `strength`, `convicts`: shape (n, signals), 0 where a
    signal says nothing about the like; `family` of each signal: those of one family are one witness.
    Returns float32 and int8 arrays of shape (n,).
    """
    n, families = len(strength), int(family.max(initial=0)) + 1
    by_family = np.zeros((n, families))
    for signal, f in enumerate(family.tolist()):
        by_family[:, f] = np.maximum(by_family[:, f], strength[:, signal])
    strongest = strength.max(axis=1, initial=0.0)
    convicted = np.where(convicts, strength, 0.0).max(axis=1, initial=0.0) >= 1
    more = (np.where(by_family >= 0.5, np.minimum(by_family, 1.0), 0.0).sum(axis=1) - np.minimum(strongest, 1.0)).clip(
        0
    )
    total = strongest + 0.5 * more
    label = np.where(convicted, BOT, np.where(total >= 1, SUSPECT, HUMAN))
    probability = np.select(
        [label == BOT, label == SUSPECT], [_along(total, BOT_AT), _along(total, SUSPECT_AT)], HUMAN_PROBABILITY
    )
    return np.where(agent, 0.0, probability).astype(np.float32), np.where(agent, AGENT, label).astype(np.int8)


def _along(total: F64, points: tuple[tuple[float, float], ...]) -> F64:
    return np.interp(total, [x for x, _ in points], [y for _, y in points])


def stamp(probability: npt.NDArray[Any], label: npt.NDArray[np.int8]) -> npt.NDArray[np.int16]:
    """A like's weight and label as one number, to compare and keep. Shape (n,)."""
    steps = np.round(probability * WEIGHT_STEPS).astype(np.int16)
    return (label.astype(np.int16) * (WEIGHT_STEPS + 1) + steps).astype(np.int16)


def of_stamp(stamps: npt.NDArray[np.int16]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    """The weight and the label of each stamp. Shapes (n,)."""
    label, steps = np.divmod(stamps, WEIGHT_STEPS + 1)
    return (steps / WEIGHT_STEPS).astype(np.float32), label.astype(np.int8)
