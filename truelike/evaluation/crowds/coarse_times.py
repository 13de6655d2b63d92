"""A platform whose likes' times are cut to the minute, the hour or the day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import Likes
from truelike.evaluation.crowds.crowd import Lay


def cut_to(unit_ms: int) -> Lay:
    def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
        coarse = base.likes.occurred_at // unit_ms * unit_ms
        return replace(base.likes, occurred_at=coarse, came_at=coarse)

    return lay
