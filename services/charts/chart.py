"""A chart as it is said: raw beside human-only, how much the two differ, and how sure their ranks are."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from services.charts.counts import ChartKey, Counted, Counts
from services.charts.periods import end_of, name_of
from services.charts.rank_overlap import (
    Overlap,
    Ranking,
    kendall_tau_b,
    rank_biased_overlap,
    slots_changed,
)
from services.charts.rank_sets import LEVEL, rank_sets
from shared.events import CONTENT_ORIGINS, rfc3339
from shared.labels import BOT

I64 = npt.NDArray[np.int64]

SIZE: Final = 50


@dataclass(frozen=True)
class ChartEntry:
    """`rank` of all likes, `human_rank` of what people gave, 1 the best; those with equal scores have the same.
    `moved`: how many places better it is among people. `human_ranks`: which it can have, at LEVEL for all entries at
    once; the last one None where any below is possible. `from_machines`: share of its likes that were called bot's or
    agent's.
    `origins`: likes by what their content was declared to be. `missed`: how many likes more it may have had.
    """

    id: str
    rank: int
    human_rank: int
    moved: int
    likes: int
    human_weight: float
    human_ranks: tuple[int, int | None]
    from_machines: float
    origins: dict[str, int]
    missed: int


@dataclass(frozen=True)
class Share:
    """Of what is declared AI-made, from `low` if nothing of unknown origin were to `high` if all of it were."""

    low: float
    high: float
    mixed: float
    unknown: float


@dataclass(frozen=True)
class Chart:
    """`entries`: those that are among the first `size` of either ranking, by rank and id. `ai_made` of likes, and of
    people's weight. `ai_liked`: share of likes that were called bot's or agent's; `not_human`: 1 less the mean weight.
    None where there are no likes. `exact`: nothing was dropped; else `error` is the most likes that an entry may lack,
    and `top_is_sure` whether the first `size` would be the same without it.
    """

    key: ChartKey
    size: int
    n: int
    human_weight: float
    entries_in_all: int
    entries: tuple[ChartEntry, ...]
    overlap: Overlap
    tau_b: float | None
    slots_changed: int
    ai_made: Share | None
    human_ai_made: Share | None
    ai_liked: float | None
    not_human: float | None
    exact: bool
    error: int
    top_is_sure: bool
    revision: int

    def described(self) -> dict[str, Any]:
        """For JSON."""
        found = msgspec.to_builtins(self)
        del found["key"]
        key = self.key
        return {
            "period": key.period,
            "name": name_of(key.period, key.start),
            "first_at": rfc3339(key.start),
            "ends_at": rfc3339(end_of(key.period, key.start)),
            "of": key.of,
            "facet": key.facet,
            "segment": key.segment,
            "level": LEVEL,
            **found,
        }


def chart_of(counts: Counts, key: ChartKey, size: int = SIZE) -> Chart | None:
    """None where there is no such chart, or none any more."""
    counted = counts.counted(key)
    if counted is None:
        return None
    # What was taken back whole is none of the chart's entries.
    there = counted.likes.sum(axis=1) > 0
    ids, likes, weight = counts.names.ids, counted.likes[there].sum(axis=1), np.maximum(counted.weight[there], 0)
    numbers, missed = counted.entry[there], counted.missed[there]
    raw = _best(likes, numbers, ids, size)
    human = _best(weight, numbers, ids, size)
    names = [[ids[numbers[k]] for k in top] for top in (raw, human)]
    common = sorted(set(raw) & set(human))
    of_origin, n = np.maximum(counted.likes_of.sum(axis=0), 0), int(max(counted.likes_of.sum(), 0))
    total = float(np.maximum(counted.weight_of, 0).sum())
    return Chart(
        key,
        size,
        n,
        total,
        len(numbers),
        _entries(counted, there, sorted(set(raw) | set(human)), ids),
        rank_biased_overlap(Ranking.of(names[0], likes[raw].tolist()), Ranking.of(names[1], weight[human].tolist())),
        kendall_tau_b(likes[common].tolist(), weight[common].tolist()),
        slots_changed(names[0], names[1], size),
        _ai_made(of_origin),
        _ai_made(np.maximum(counted.weight_of, 0)),
        float(counted.likes_of[BOT:].sum() / n) if n else None,
        1 - total / n if n else None,
        counted.error == 0,
        counted.error,
        counted.error == 0
        or all(_sure(scores, top, missed, counted.error) for scores, top in ((likes, raw), (weight, human))),
        counted.revision,
    )


def _best(scores: npt.NDArray[Any], numbers: I64, ids: list[str], size: int) -> list[int]:
    """Rows of the `size` highest scores above 0, highest first; of equal ones in the order of their ids."""
    rows = np.flatnonzero(scores > 0)
    if len(rows) > size:
        rows = rows[scores[rows] >= np.partition(scores[rows], len(rows) - size)[len(rows) - size]]
    return heapq.nsmallest(size, rows.tolist(), key=lambda row: (-scores[row], ids[numbers[row]]))


def _entries(counted: Counted, there: npt.NDArray[np.bool_], rows: list[int], ids: list[str]) -> tuple[ChartEntry, ...]:
    """`rows` among those that are there."""
    weight, squares = (np.maximum(column[there], 0) for column in (counted.weight, counted.squares))
    likes, at = counted.likes[there].sum(axis=1), np.array(rows, np.int64)
    # Of these few alone: there may be a million more.
    these = np.flatnonzero(there)[at]
    numbers, missed, origin = counted.entry[these], counted.missed[these], counted.origin[these]
    by_bots = counted.likes[these, BOT:].sum(axis=1) / likes[at]
    sets = rank_sets(weight, squares, at, counted.error)
    ranks, human_ranks = (_ranks(scores, scores[at]) for scores in (likes, weight))
    found = [
        ChartEntry(
            ids[numbers[k]],
            int(ranks[k]),
            int(human_ranks[k]),
            int(ranks[k] - human_ranks[k]),
            int(likes[row]),
            float(weight[row]),
            (int(sets.low[k]), int(sets.high[k]) or None),
            float(by_bots[k]),
            dict(zip(CONTENT_ORIGINS, origin[k].tolist(), strict=True)),
            int(missed[k]),
        )
        for k, row in enumerate(rows)
    ]
    return tuple(sorted(found, key=lambda entry: (entry.rank, entry.id)))


def _ranks(scores: npt.NDArray[Any], of: npt.NDArray[Any]) -> I64:
    """1 and how many are higher. Shape (n,)."""
    return 1 + len(scores) - np.searchsorted(np.sort(scores), of, "right")


def _sure(scores: npt.NDArray[Any], top: list[int], missed: I64, error: int) -> bool:
    """Whether none below the top, nor any that is not here, can have as much as the last of it."""
    others = np.delete(scores + missed, top)
    return bool(top) and scores[top[-1]] > max(error, others.max(initial=0))


def _ai_made(by_origin: npt.NDArray[Any]) -> Share | None:
    total = float(by_origin.sum())
    if not total:
        return None
    shares = dict(zip(CONTENT_ORIGINS, (by_origin / total).tolist(), strict=True))
    return Share(shares["ai"], shares["ai"] + shares["unknown"], shares["mixed"], shares["unknown"])
