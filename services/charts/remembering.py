"""A frame's rows in log order: likes counted and remembered, unlikes and corrections of them, compiled."""

from __future__ import annotations

from typing import Any

from numba import njit

from services.charts.counting import Begun, Change, Like, count
from services.charts.dropping import expire
from services.charts.periods import HOUR_MS
from services.charts.row_index import NONE, find, put, remove
from services.charts.tables import (
    ACTOR,
    BEFORE,
    CLOCK,
    CORRECTIONS,
    COUNTED,
    CREATOR,
    DECLARED,
    EVENT,
    GONE_NUMBER,
    HOUR,
    HUMAN,
    LABEL,
    LANGUAGE,
    LIKE_COLUMNS,
    LIKE_NUMBER,
    NO_LONGER_REMEMBERED,
    NOT_REMEMBERED,
    PAIR,
    STANDS,
    TAKEN_BACK,
    TARGET,
    TIME,
    TOPIC,
    Tables,
)

# A frame's rows are likes to remember, with these columns more: what the row does, and of a correction what the like
# was published with before.
DOES, LABEL_BEFORE, HUMAN_BEFORE = range(LIKE_COLUMNS, LIKE_COLUMNS + 3)
ROW_COLUMNS = LIKE_COLUMNS + 3
IGNORED, LIKED, UNLIKED, CORRECTS = range(4)

# Of the limits: how long a like can be taken back (ms).
HORIZON = 4


@njit(cache=True)
def take(tables: Tables, hashes: Any, uses: Any, limits: Any, begun: Begun, rows: Any) -> None:
    """`hashes`, `uses`: of entries, by number. `rows`: shape (n, ROW_COLUMNS). Event time is that of all but
    corrections.
    """
    numbers = tables.numbers
    for i in range(len(rows)):
        does = rows[i, DOES]
        if does != CORRECTS and rows[i, TIME] > numbers[CLOCK]:
            numbers[CLOCK] = rows[i, TIME]
            if numbers[CLOCK] // HOUR_MS != numbers[HOUR]:
                expire(tables, hashes, uses, limits)
        change = Change(NONE, 0, NONE, 0)
        at = NONE
        if does == LIKED:
            at = _remember(tables, uses, limits, rows[i])
            change = Change(NONE, 0, rows[i, LABEL], rows[i, HUMAN])
        elif does == CORRECTS:
            at, change = _corrected(tables, rows[i])
        elif does == UNLIKED:
            _unlike(tables, hashes, uses, limits, begun, rows[i, PAIR])
        if change.label != NONE:
            like = _like_of(tables.likes, at) if at != NONE else _like_of(rows, i)
            count(tables, hashes, uses, limits, begun, i, like, change)


@njit(cache=True)
def _like_of(rows: Any, at: int) -> Like:
    row = rows[at]
    return Like(row[TIME], row[TARGET], row[CREATOR], row[LANGUAGE], row[TOPIC], row[DECLARED])


@njit(cache=True)
def _remember(tables: Tables, uses: Any, limits: Any, row: Any) -> int:
    """Returns its place in the ring."""
    likes, numbers = tables.likes, tables.numbers
    number, size = numbers[LIKE_NUMBER], len(likes)
    at = number % size
    if likes[at, EVENT] != 0:
        _no_longer_remember(tables, uses, limits, at)
    numbers[LIKE_NUMBER] += 1
    numbers[COUNTED] += 1
    likes[at] = row[:LIKE_COLUMNS]
    put(tables.by_event, likes, EVENT, at)
    before = put(tables.by_pair, likes, PAIR, at)
    likes[at, BEFORE] = number - (number - before) % size if before != NONE else NONE
    uses[row[TARGET]] += 1
    if row[CREATOR] != NONE:
        uses[row[CREATOR]] += 1
    return at


@njit(cache=True)
def _no_longer_remember(tables: Tables, uses: Any, limits: Any, at: int) -> None:
    """That a like was taken back is remembered longer: no correction may bring it back."""
    likes, gone, numbers = tables.likes, tables.gone, tables.numbers
    remove(tables.by_event, likes, EVENT, at)
    remove(tables.by_pair, likes, PAIR, at)
    uses[likes[at, TARGET]] -= 1
    if likes[at, CREATOR] != NONE:
        uses[likes[at, CREATOR]] -= 1
    if likes[at, STANDS]:
        numbers[NO_LONGER_REMEMBERED] += likes[at, TIME] >= numbers[CLOCK] - limits[HORIZON]
        return
    place = numbers[GONE_NUMBER] % len(gone)
    remove(tables.gone_index, gone, 0, place)
    gone[place, 0] = likes[at, EVENT]
    put(tables.gone_index, gone, 0, place)
    numbers[GONE_NUMBER] += 1


@njit(cache=True)
def _corrected(tables: Tables, row: Any) -> Any:
    """Where the like is remembered, NONE where it is not, and how it changes. One that is not remembered is changed
    from what the correction says that it was; one that was taken back is not.
    """
    likes, numbers = tables.likes, tables.numbers
    at = find(tables.by_event, likes, EVENT, row[EVENT])
    if at != NONE and likes[at, STANDS]:
        change = Change(likes[at, LABEL], likes[at, HUMAN], row[LABEL], row[HUMAN])
        likes[at, LABEL], likes[at, HUMAN] = row[LABEL], row[HUMAN]
        numbers[CORRECTIONS] += 1
        return at, change
    if at == NONE and find(tables.gone_index, tables.gone, 0, row[EVENT]) == NONE:
        numbers[NOT_REMEMBERED] += 1
        return NONE, Change(row[LABEL_BEFORE], row[HUMAN_BEFORE], row[LABEL], row[HUMAN])
    return NONE, Change(NONE, 0, NONE, 0)


@njit(cache=True)
def _unlike(tables: Tables, hashes: Any, uses: Any, limits: Any, begun: Begun, pair: int) -> None:
    """All likes of the pair that are remembered are taken back."""
    likes, size, next_number = tables.likes, len(tables.likes), tables.numbers[LIKE_NUMBER]
    latest = find(tables.by_pair, likes, PAIR, pair)
    if latest == NONE:
        return
    number = next_number - 1 - (next_number - 1 - latest) % size
    while number != NONE and number >= next_number - size:
        take_back(tables, hashes, uses, limits, begun, number % size)
        number = likes[number % size, BEFORE]
    remove(tables.by_pair, likes, PAIR, latest)


@njit(cache=True)
def take_back(tables: Tables, hashes: Any, uses: Any, limits: Any, begun: Begun, at: int) -> bool:
    """The like at this place of the ring is none any more, if it is not too old. Returns whether it was one."""
    likes, numbers = tables.likes, tables.numbers
    if not likes[at, STANDS] or likes[at, TIME] < numbers[CLOCK] - limits[HORIZON]:
        return False
    likes[at, STANDS] = 0
    numbers[TAKEN_BACK] += 1
    change = Change(likes[at, LABEL], likes[at, HUMAN], NONE, 0)
    count(tables, hashes, uses, limits, begun, NONE, _like_of(likes, at), change)
    return True


@njit(cache=True)
def forget(tables: Tables, hashes: Any, uses: Any, limits: Any, begun: Begun, places: Any) -> int:
    """The likes at these places of the ring are taken back, and nothing says whose they were. Returns how many."""
    likes, taken = tables.likes, 0
    for at in places:
        remove(tables.by_pair, likes, PAIR, at)
        taken += take_back(tables, hashes, uses, limits, begun, at)
        likes[at, ACTOR] = likes[at, PAIR] = 0
    return taken
