"""Charts as they are counted: of targets and creators, by hour, day and week, of all and by language and topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from services.charts import remembering, saved
from services.charts.counting import Begun, group_key
from services.charts.dropping import ENTRY_OF
from services.charts.entries import EntryNames
from services.charts.limits import ChartLimits
from services.charts.periods import LENGTH_MS, PERIODS, Period, start_of
from services.charts.row_index import NONE, find
from services.charts.rows import rows_of, segments_of
from services.charts.tables import (
    ACTOR,
    CELL,
    CHANGED,
    CLOCK,
    CORRECTED,
    CORRECTIONS,
    COUNTED,
    DROPPED,
    ENTRIES,
    ERROR,
    FACET,
    FIRST,
    GROUP,
    KIND,
    LABELS,
    LAST_GROUP,
    LATE,
    LEFT_OUT,
    LIKES,
    LIKES_OF,
    MISSED,
    NEXT,
    NO_LONGER_REMEMBERED,
    NOT_REMEMBERED,
    ORIGIN,
    ORIGINS,
    REVISION,
    SAID,
    SQUARES,
    START,
    TAKEN_BACK,
    UNIT,
    WEIGHT,
    WEIGHT_OF,
    new_tables,
)
from shared.checkpoints import Arrays
from shared.hashing import hash_strings
from shared.messages import ChartFacet, ChartOf

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

Of = ChartOf
OF: Final[tuple[Of, ...]] = get_args(Of)
Facet = ChartFacet
FACETS: Final[tuple[Facet, ...]] = get_args(Facet)

COUNTERS: Final = {
    "charted_likes": COUNTED,
    "chart_likes_taken_back": TAKEN_BACK,
    "chart_likes_corrected": CORRECTIONS,
    # Of likes that were no longer remembered.
    "chart_corrections_unchecked": NOT_REMEMBERED,
    # Whose hour, day or week was kept no more when they came.
    "chart_late_likes": LATE,
    # Whose language or topic was one too many for their period.
    "chart_likes_without_segment": LEFT_OUT,
    "chart_entries_dropped": DROPPED,
    "chart_likes_no_longer_remembered": NO_LONGER_REMEMBERED,
}


@dataclass(frozen=True, order=True)
class ChartKey:
    """`start` of the period, ms; `segment`: which language or topic, "" of all."""

    period: Period
    start: int
    of: Of
    facet: Facet = "all"
    segment: str = ""


@dataclass(frozen=True)
class Counted:
    """A chart's entries, in no order: `entry` numbers, `likes` by label (n, 4), `weight` and its `squares`, likes by
    declared `origin` (n, 4), and how many likes each may have had that are not counted (n,).

    `likes_of`: likes of all by label and origin (4, 4), `weight_of` their weight by origin (4,): exact, whatever was
    dropped. `error`: an entry that is not here has had no more likes than this.
    """

    entry: I64
    likes: I64
    weight: F64
    squares: F64
    origin: I64
    missed: I64
    likes_of: I64
    weight_of: F64
    error: int
    revision: int


class Counts:
    """Likes in log order, however it is cut into frames."""

    def __init__(self, limits: ChartLimits) -> None:
        self.limits = limits
        self.names = EntryNames()
        self.tables = new_tables(limits)
        # By group, of those that there are.
        self.segments: dict[int, str] = {}
        self._limits = np.array([*limits.kept_ms, limits.segments, limits.horizon_ms], np.int64)

    @property
    def counters(self) -> dict[str, int]:
        return {name: int(self.tables.numbers[number]) for name, number in COUNTERS.items()}

    @property
    def clock(self) -> int:
        """How far event time is, ms."""
        return int(self.tables.numbers[CLOCK])

    @property
    def held_entries(self) -> int:
        """Of all charts together."""
        return int(self.tables.charts[:, ENTRIES].sum())

    def take(self, batch: pa.RecordBatch) -> None:
        """Likes, unlikes and corrections: rows of TRUSTED_LIKES."""
        rows, begun = rows_of(batch, self.names), _begun(batch.num_rows)
        remembering.take(self.tables, self.names.hashes, self.names.uses, self._limits, begun, rows)
        of_facet: dict[int, pa.Array] = {}
        for group, row in zip(*(column[: begun.count[0]].tolist() for column in begun[:2]), strict=True):
            facet = int(self.tables.groups[group, FACET])
            if facet and facet not in of_facet:
                of_facet[facet] = segments_of(batch, FACETS[facet])
            self.segments[group] = of_facet[facet][row].as_py() if facet else ""
        self.names.sweep()

    def forget(self, user_ids: list[str]) -> int:
        """Take back all likes of these users that are remembered. Returns how many."""
        actors = hash_strings(pa.array(user_ids, pa.string()))
        places = np.flatnonzero(np.isin(self.tables.likes[:, ACTOR], actors.view(np.int64)))
        return remembering.forget(self.tables, self.names.hashes, self.names.uses, self._limits, _begun(0), places)

    def charts(self) -> list[ChartKey]:
        """All charts that have likes, in order."""
        groups = np.flatnonzero(self.tables.groups[: self.tables.numbers[LAST_GROUP], GROUP])
        return sorted(self._key(2 * group + of) for group in groups.tolist() for of in range(2))

    def changed(self) -> list[ChartKey]:
        """Which charts changed since this was asked last. They are said with this: what is taken back or corrected from
        now on is another revision of them.
        """
        charts, groups = self.tables.charts, self.tables.groups
        there = np.repeat(groups[:, GROUP] != 0, 2)
        found = np.flatnonzero(there & (charts[:, CHANGED] != 0))
        charts[found, REVISION] += charts[found, SAID] & charts[found, CORRECTED]
        charts[found, SAID] = 1
        charts[found, CHANGED] = charts[found, CORRECTED] = 0
        return sorted(self._key(chart) for chart in found.tolist())

    def say_all(self) -> None:
        """From now on all charts have changed."""
        there = np.repeat(self.tables.groups[:, GROUP] != 0, 2)
        self.tables.charts[there, CHANGED] = 1

    def kept_from(self, period: Period) -> int:
        """When the first hour, day or week began that is kept, ms."""
        kind = PERIODS.index(period)
        length = LENGTH_MS[kind]
        return start_of(period, self.clock - self.limits.kept_ms[kind] - length) + length

    def _key(self, chart: int) -> ChartKey:
        group = self.tables.groups[chart // 2]
        facet = FACETS[group[FACET]]
        return ChartKey(PERIODS[group[KIND]], int(group[START]), OF[chart % 2], facet, self.segments[chart // 2])

    def counted(self, key: ChartKey) -> Counted | None:
        """None where there are no likes, or none any more."""
        tables, facet = self.tables, FACETS.index(key.facet)
        segment = hash_strings(pa.array([key.segment])).view(np.int64)[0] if facet else 0
        named = group_key(PERIODS.index(key.period), key.start, facet, int(segment))
        group = find(tables.group_index, tables.groups, GROUP, named)
        if group == NONE:
            return None
        chart = 2 * group + OF.index(key.of)
        rows = _cells_of(tables.charts, tables.halves, chart)
        cells, halves, totals = tables.cells[rows], tables.halves[rows].astype(np.int64), tables.charts[chart]
        return Counted(
            cells[:, CELL] & ENTRY_OF,
            halves[:, LIKES : LIKES + LABELS],
            cells[:, WEIGHT] / UNIT,
            cells[:, SQUARES] / UNIT,
            halves[:, ORIGIN : ORIGIN + ORIGINS],
            halves[:, MISSED],
            totals[LIKES_OF:WEIGHT_OF].reshape(LABELS, ORIGINS).copy(),
            totals[WEIGHT_OF : WEIGHT_OF + ORIGINS] / UNIT,
            int(totals[ERROR]),
            int(totals[REVISION]),
        )

    def snapshot(self) -> Arrays:
        return {**self.names.snapshot("names"), **saved.snapshot(self.tables, self.segments)}

    def restore(self, arrays: Arrays) -> None:
        """Raises ValueError where the limits are lower than what was kept."""
        self.names.restore("names", arrays)
        self.tables, self.segments = saved.restore(arrays, self.limits, self.names.uses)


def _begun(rows: int) -> Begun:
    most = rows * len(PERIODS) * len(FACETS)
    return Begun(np.zeros(most, np.int64), np.zeros(most, np.int64), np.zeros(1, np.int64))


@njit(cache=True)
def _cells_of(charts: Any, halves: Any, chart: int) -> Any:
    """The rows of a chart's cells. Shape (n,)."""
    found = np.empty(charts[chart, ENTRIES], np.int64)
    cell = charts[chart, FIRST] - 1
    for k in range(len(found)):
        found[k] = cell
        cell = halves[cell, NEXT] - 1
    return found
