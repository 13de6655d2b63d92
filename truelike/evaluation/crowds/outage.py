"""A producer is cut off for three hours: a third of the people's likes come late then, with the right times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import HOUR, Likes

SHARE, LENGTH = 0.33, 3 * HOUR


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    begin = base.begin(rng, 2 * LENGTH)
    hit = np.isin(base.likes.actor, rng.permutation(base.people)[: round(len(base.people) * SHARE)])
    late = hit & (base.likes.occurred_at >= begin) & (base.likes.occurred_at < begin + LENGTH)
    # All at once, in order, when the line is back.
    came = np.where(late, begin + LENGTH, base.likes.came_at)
    return replace(base.likes, came_at=came).in_order()
