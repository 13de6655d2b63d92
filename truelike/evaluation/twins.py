"""Twin forecasters over a log of files: what choice's figure 12 compares (services/choice/figures/value_of_likes)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.choice.log import F64, Likes, Shown
from services.choice.mixture import Mixture
from services.choice.twins import with_slates as with_one
from services.predictor import twin
from services.predictor.twin import SHOWN, Acts


def forecasts(actions: Acts, shown: Shown) -> tuple[F64, F64]:
    """With likes and without, of each action, from what came before and what was shown before; not a number where it is
    no like. Shapes (actions,).
    """
    seen = shown.take(~shown.withheld)
    acts, place = twin.in_order(actions, Acts(seen.actor, seen.target, seen.time, np.full(len(seen), SHOWN, np.int8)))
    found = twin.forecasts(acts)
    return found[0][place], found[1][place]


def with_slates(likes: Likes, shown: Shown) -> Likes:
    """Both forecasts, each with what the like's own actor was just shown: by a mixture that each learns for itself."""
    if not len(shown):
        return likes
    return replace(
        likes,
        p_with=with_one(Mixture(), likes, likes.p_with, shown),
        p_without=with_one(Mixture(), likes, likes.p_without, shown),
    )
