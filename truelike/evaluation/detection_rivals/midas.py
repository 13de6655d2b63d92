"""MIDAS-R: bursts of edges, of sources and of destinations in an edge stream, from count-min sketches.

Bhatia, Hooi, Yoon, Shin, Faloutsos: MIDAS: Microcluster-Based Detector of Anomalies in Edge Streams, AAAI 2020. With
the paper's decay of a half a tick; ticks of ten minutes. An actor's score is the greatest of its likes'. It draws no
line.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit

from truelike.evaluation.detection_rivals.rival import Edges, Verdict

ROWS: Final = 2
COLUMNS: Final = 1 << 16
TICK_MS: Final = 600_000
DECAY: Final = 0.5
# Odd multipliers of a hash by multiplication.
_SALTS: Final = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F], np.uint64)


def score(edges: Edges) -> Verdict:
    tick = (edges.time - edges.time[0]) // TICK_MS + 1 if len(edges) else edges.time
    found = np.zeros(edges.actors)
    # An edge is a number of its own, unlike any actor's or target's.
    both = edges.actor * np.int64(edges.targets) + edges.target
    keys = np.stack([both, edges.actor, edges.target]).astype(np.uint64)
    _run(keys, tick, edges.actor, _SALTS, found)
    return Verdict(found, None)


@njit(cache=True)
def _run(keys: Any, tick: Any, actor: Any, salts: Any, found: Any) -> None:
    kinds, n = keys.shape
    now = np.zeros((kinds, ROWS, COLUMNS), np.float64)
    total = np.zeros((kinds, ROWS, COLUMNS), np.float64)
    # Counts decay when they are next looked at, not all of them at each tick.
    seen = np.zeros((kinds, ROWS, COLUMNS), np.int64)
    for e in range(n):
        t, best = tick[e], 0.0
        for kind in range(kinds):
            a, s = np.inf, np.inf
            for row in range(ROWS):
                at = np.int64(((keys[kind, e] + np.uint64(1)) * salts[row]) >> np.uint64(48))
                if seen[kind, row, at] < t:
                    now[kind, row, at] *= DECAY ** (t - seen[kind, row, at])
                    seen[kind, row, at] = t
                now[kind, row, at] += 1.0
                total[kind, row, at] += 1.0
                a, s = min(a, now[kind, row, at]), min(s, total[kind, row, at])
            # Chi-squared of the tick's count against the mean of all.
            if t > 1:
                best = max(best, (a - s / t) ** 2 * t * t / (s * (t - 1)))
        found[actor[e]] = max(found[actor[e]], best)
