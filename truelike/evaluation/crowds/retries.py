"""A producer that is not sure sends one in twenty likes of the base again, up to three times, within half a minute."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import SECOND, Likes, joined

SHARE = 0.05


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    again = np.repeat(
        np.arange(len(base.likes)),
        np.where(rng.random(len(base.likes)) < SHARE, rng.integers(1, 4, len(base.likes)), 0),
    )
    sent = base.likes.take(again)
    later = rng.integers(SECOND, 30 * SECOND, len(again))
    # A client that stamps when it sends.
    repeated = replace(sent, occurred_at=sent.occurred_at + later, came_at=sent.came_at + later)
    return joined(base.likes, repeated).in_order()
