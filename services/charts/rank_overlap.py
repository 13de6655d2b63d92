"""How alike two charts are: rank-biased overlap, Kendall's tau-b, and the slots that changed.

Source: Webber, Moffat, Zobel, "A similarity measure for indefinite rankings" (TOIS 28(4), 2010): equations 11 (least),
30 (residual) and 32 (extrapolated), with agreement as in 28 where entries are tied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

# How likely a reader goes on from one place to the next: the first ten places have 86 % of the weight.
PERSISTENCE: Final = 0.9


@dataclass(frozen=True)
class Ranking:
    """Entries, best first; `ranks` never fall, and those that are tied have the same: the place of their first."""

    entries: tuple[str, ...]
    ranks: tuple[int, ...]

    @classmethod
    def of(cls, entries: Sequence[str], scores: Sequence[float] | None = None) -> Ranking:
        """`scores` never rise; equal ones are a tie. None: no ties."""
        ranks = list(range(1, len(entries) + 1))
        for place in range(1, len(entries)) if scores is not None else ():
            assert scores is not None
            if scores[place] > scores[place - 1]:
                raise ValueError("scores rise: put the best entry first")
            if scores[place] == scores[place - 1]:
                ranks[place] = ranks[place - 1]
        if len(set(entries)) < len(entries):
            raise ValueError("an entry is twice in a ranking: leave the lower one out")
        return cls(tuple(entries), tuple(ranks))


@dataclass(frozen=True)
class Overlap:
    """Rank-biased overlap of rankings of which only the first places are known: it is at least `least`, at most `most`,
    whatever comes below, and `extrapolated` if it goes on as seen. 0 to 1.
    """

    least: float
    most: float
    extrapolated: float


def rank_biased_overlap(first: Ranking, second: Ranking, p: float = PERSISTENCE) -> Overlap:
    """Entries tied for several places all stand at the first of them."""
    if not first.entries or not second.entries:
        # Nothing is known of one of them.
        return Overlap(0.0, 1.0, 0.0)
    short, long = sorted((first, second), key=lambda ranking: len(ranking.entries))
    s, l = len(short.entries), len(long.entries)  # noqa: E741 - the paper's names
    common = _common(short, long, l)
    shared = common[-1]
    # From this depth on, everything can be in both.
    f = max(l, math.ceil(l + s - shared))
    depth = np.arange(1, f + 1)
    held = [np.maximum(np.searchsorted(np.array(r.ranks), depth, "right"), depth) for r in (short, long)]
    sizes = (held[0] + held[1]) / 2
    weight = (1 - p) / p * p**depth
    seen = weight[:l] * common / sizes[:l]
    tail = (1 - p) / p * (-math.log1p(-p) - float((p ** depth[:l] / depth[:l]).sum()))
    least = float(seen.sum()) + shared * tail
    known = np.r_[common, np.full(f - l, shared)]
    best = known + np.maximum(depth - s, 0) + np.maximum(depth - l, 0)
    most = float((weight * np.minimum(best / sizes, 1)).sum()) + p**f
    # What is below the shorter one's end is shared as much as what is above it.
    agreed = common[s - 1] / sizes[s - 1]
    below = depth[s:l]
    more = float((weight[s:l] * agreed * (below - s) / below).sum())
    goes_on = (shared - common[s - 1]) / sizes[l - 1] + agreed if l > s else agreed
    extrapolated = float(seen.sum()) + more + p**l * goes_on
    # Rounding does not take them above 1.
    return Overlap(*(min(float(found), 1.0) for found in (least, most, extrapolated)))


def _common(first: Ranking, second: Ranking, depth: int) -> F64:
    """How many entries both have down to each depth. Shape (depth,)."""
    rank_of = dict(zip(second.entries, second.ranks, strict=True))
    met = [max(rank, rank_of[e]) for e, rank in zip(first.entries, first.ranks, strict=True) if e in rank_of]
    return np.cumsum(np.bincount(np.array(met, np.int64), minlength=depth + 1)[1 : depth + 1]).astype(np.float64)


def kendall_tau_b(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Of the same entries' scores in two charts, -1 to 1; None where one of them orders nothing.

    Source: Kendall, "The treatment of ties in ranking problems" (Biometrika 33, 1945).
    """
    x, y = (np.asarray(scores, np.float64) for scores in (first, second))
    above = np.triu_indices(len(x), 1)
    over, under = np.sign(x[:, None] - x)[above], np.sign(y[:, None] - y)[above]
    ordered = math.sqrt(float(np.abs(over).sum()) * float(np.abs(under).sum()))
    return float(over @ under) / ordered if ordered else None


def slots_changed(first: Sequence[str], second: Sequence[str], size: int) -> int:
    """How many of the first chart's `size` best are not among those of the second."""
    return len(set(first[:size]) - set(second[:size]))
