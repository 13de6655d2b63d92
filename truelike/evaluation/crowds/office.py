"""60 people behind one address, each with a life of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, Likes, names

PEOPLE = 60


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    staff = names("office", PEOPLE)
    length = min(5 * DAY, base.span * 7 // 10)
    begin = base.begin(rng, length)
    each = 20 if history else 5
    who = np.repeat(staff, each)
    times = base.moments(rng, len(who), begin, begin + length)
    liked = base.of(times, who, base.liked_targets(rng, who))
    return replace(liked, origin=np.full(len(liked), "office"))
