"""What twin forecasters say of likes, one of which learns likes and one of which does not, each with what was shown: by
a mixture that each learns for itself (services/choice/figures/value_of_likes).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.choice.log import F64, Likes, Shown
from services.choice.mixture import Forecasts, Mixture
from shared.checkpoints import Arrays, under
from shared.hashing import U64


def with_slates(mixture: Mixture, likes: Likes, p: F64, shown: Shown) -> F64:
    """One forecast of the next likes of a log, mixed as p_history is. Shapes (n,)."""
    # Nothing besides: what slates leave over is as this forecast says.
    alone = Forecasts(p, p, p, np.full(len(likes), np.nan), np.zeros(len(likes), np.bool_))
    return mixture.forecast(likes, alone, shown).p_shown(alone)


class TwinMixtures:
    """Of both, as likes come. Without twins, nothing: `run` is whether any forecast of theirs came yet."""

    def __init__(self, most_items: int) -> None:
        self.run = False
        self._of = {name: Mixture(most_items) for name in ("p_with", "p_without")}

    def following(self, likes: Likes, shown: Shown) -> Likes:
        """The next likes of a log, with the slates of up to the last of them in what both say."""
        at = np.flatnonzero(np.isfinite(likes.p_with) & np.isfinite(likes.p_without))
        self.run = self.run or len(at) > 0
        found = {name: np.full(len(likes), np.nan) for name in self._of}
        if self.run:
            mine = likes.take(at)
            for name, mixture in self._of.items():
                found[name][at] = with_slates(mixture, mine, getattr(mine, name), shown)
        return replace(likes, p_with=found["p_with"], p_without=found["p_without"])

    def forget(self, actors: U64) -> None:
        for mixture in self._of.values():
            mixture.forget(actors)

    def snapshot(self) -> Arrays:
        """Nothing without twins."""
        if not self.run:
            return {}
        saved = ((of, mixture.snapshot().items()) for of, mixture in self._of.items())
        return {f"twins.{of}.{name}": array for of, arrays in saved for name, array in arrays}

    def restore(self, arrays: Arrays) -> None:
        for of, mixture in self._of.items():
            if mine := under(f"twins.{of}.", arrays):
                self.run = True
                mixture.restore(mine)
