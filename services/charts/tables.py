"""What a task counts in, as arrays: charts, their entries, likes that may be taken back. All room is asked for at once;
the system gives it as it is used.

A group is a segment of a period (all, a language, a topic); it has two charts, of targets and of creators. A cell is an
entry of a chart. All that is of one thing is in one row, since a like changes up to eighteen cells that lie anywhere:
a cell is a line of the processor's cache.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from services.charts.limits import ChartLimits
from services.charts.row_index import new_index

LABELS: Final = 4
ORIGINS: Final = 4
# Weights and their squares are whole numbers of this part of 1: so no sum depends on the order, and what is taken back
# leaves nothing.
UNIT_BITS: Final = 24
UNIT: Final = 1 << UNIT_BITS

# Of a cell: (chart + 1) << 32 | entry; by half columns its likes by label and by origin; how many likes more there may
# have been when it was dropped last; the chart's next cell + 1.
CELL, WEIGHT, SQUARES = 0, 3, 4
LIKES, ORIGIN, MISSED, NEXT = 2, 10, 14, 15
CELL_COLUMNS: Final = 8

# Of a chart: its first cell + 1; how many it has; ERROR, above which no entry that it lacks has had likes; whether it
# changed, and was corrected, since it was said last; whether it was said at all; how often it was revised; likes by
# label and origin; weight by origin.
FIRST, ENTRIES, ERROR, CHANGED, CORRECTED, SAID, REVISION = range(7)
LIKES_OF: Final = 7
WEIGHT_OF: Final = LIKES_OF + LABELS * ORIGINS
CHART_COLUMNS: Final = WEIGHT_OF + ORIGINS

# Of a group: hash of its period and segment; of the group of all, how many languages and topics there are beside it.
GROUP, KIND, START, FACET, NEXT_FREE, SEGMENTS = range(6)
GROUP_COLUMNS: Final = SEGMENTS + 3

# Of a remembered like. BEFORE: the number of the pair's like before, -1 for none.
EVENT, PAIR, ACTOR, TIME, LANGUAGE, TOPIC, BEFORE, TARGET, CREATOR, DECLARED, LABEL, HUMAN, STANDS = range(13)
LIKE_COLUMNS: Final = 13

# Of a chart that the like at hand is of: the like's entry there, its cell's key, which cell that most likely is, and
# the key that this one has.
CHART, ENTRY, KEY, LIKELY, SEEN = range(5)
MOST_CHARTS: Final = 18

# What changes along the log: positions, then counters.
CLOCK, HOUR, LAST_CELL, FREE_CELL, LAST_GROUP, FREE_GROUP, LIKE_NUMBER, GONE_NUMBER = range(8)
COUNTED, TAKEN_BACK, CORRECTIONS, LATE, LEFT_OUT, DROPPED, NO_LONGER_REMEMBERED, NOT_REMEMBERED = range(8, 16)
NUMBERS: Final = 16


class Tables(NamedTuple):
    """`halves`: the cells by 4 bytes. `likes`: a ring in log order, found by event, and the latest of a pair of actor
    and target by pair. `gone`: a ring of events whose likes were taken back and are no longer remembered.
    """

    cells: Any
    halves: Any
    cell_index: Any
    charts: Any
    groups: Any
    group_index: Any
    likes: Any
    by_event: Any
    by_pair: Any
    gone: Any
    gone_index: Any
    at_hand: Any
    numbers: Any


def new_tables(limits: ChartLimits) -> Tables:
    cells = np.zeros((limits.entries, CELL_COLUMNS), np.int64)
    return Tables(
        cells,
        cells.view(np.int32),
        new_index(limits.entries),
        np.zeros((2 * limits.groups, CHART_COLUMNS), np.int64),
        np.zeros((limits.groups, GROUP_COLUMNS), np.int64),
        new_index(limits.groups),
        np.zeros((limits.likes, LIKE_COLUMNS), np.int64),
        new_index(limits.likes),
        new_index(limits.likes),
        np.zeros((limits.likes, 1), np.int64),
        new_index(limits.likes),
        np.zeros((MOST_CHARTS, SEEN + 1), np.int64),
        np.zeros(NUMBERS, np.int64),
    )
