"""A class of 30 goes through one list of 15 in a lesson. Without other likes it cannot be told from a crew: nothing is
promised for it; with a history it can be."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import MINUTE, Likes, names

PUPILS, LIST, LENGTH = 30, 15, 45 * MINUTE


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    pupils, listed = names("pupil", PUPILS), base.any_targets(rng, LIST)
    begin = base.begin(rng, LENGTH)
    starts = begin + rng.integers(0, 5 * MINUTE, PUPILS)
    gaps = rng.gamma(4.0, 40 * MINUTE / LIST / 4.0, (PUPILS, len(listed))).astype(np.int64)
    times = starts[:, None] + np.cumsum(gaps, axis=1)
    lesson = base.of(times.ravel(), np.repeat(pupils, len(listed)), np.tile(listed, PUPILS))
    return base.with_life(rng, lesson, history)
