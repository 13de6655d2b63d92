"""300 newcomers of a day pick 12 of the same 30 starters, in the order of the screen, two seconds each."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, SECOND, Likes, joined, names

NEWCOMERS, STARTERS, PICKED = 300, 30, 12


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    newcomers, starters = names("newcomer", NEWCOMERS), base.targets[:STARTERS]
    picked = np.sort(rng.permuted(np.tile(np.arange(len(starters)), (NEWCOMERS, 1)), axis=1)[:, :PICKED], axis=1)
    length = min(DAY, base.span * 7 // 10)
    begin = base.begin(rng, length)
    starts = base.moments(rng, NEWCOMERS, begin, begin + length)
    times = starts[:, None] + np.cumsum(rng.integers(SECOND, 3 * SECOND, picked.shape), axis=1)
    chosen = base.of(times.ravel(), np.repeat(newcomers, picked.shape[1]), starters[picked.ravel()])
    if not history:
        return chosen
    # A newcomer has no life before; some stay, and live on from then.
    staying = newcomers[: NEWCOMERS // 2]
    last = int(times.max())
    after = base.life(rng, staying, last, last)
    return joined(chosen, after.take(after.occurred_at > last))
