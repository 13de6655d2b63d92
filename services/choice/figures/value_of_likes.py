"""Figure 12: what likes teach that nothing else does, in bits a like: twin forecasters, one of whom learns none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from services.choice.log import Log
from services.choice.mixture import LEAST_PROBABILITY
from shared.events import CONTENT_ORIGINS
from shared.measures import confidence
from shared.measures.cells import Cell, Cells
from shared.measures.confidence import Interval
from shared.measures.figure import LEAST_PEOPLE, Figure, measured, not_identified
from shared.measures.measure import Measure
from shared.measures.units import Units, UnitSums

NAME: Final = "value_of_likes"
ALL: Final = "all"
ORIGINS: Final = ("human", "ai")
ORIGIN, LANGUAGE = "content_origin", "language"
MOST_LANGUAGES: Final = 10
# An interval of fewer bits is told with two decimals.
NARROW: Final = 0.2
# Columns: weight, and by weight the bits that the forecast without likes is worse by.
WEIGHT, WORSE = range(2)


@dataclass(frozen=True)
class TwinCells:
    """`likes`: how many there are; `cells`: of those that were forecast, all, and by origin and language where those
    are known; `others`: as of the log.
    """

    likes: int
    cells: Cells
    others: int | None

    def __add__(self, other: TwinCells) -> TwinCells:
        known = [others for others in (self.others, other.others) if others is not None]
        return TwinCells(self.likes + other.likes, self.cells + other.cells, sum(known) if known else None)


def state(log: Log) -> TwinCells:
    likes = log.likes.take(np.isfinite(log.likes.p_with) & np.isfinite(log.likes.p_without))
    p_with, p_without = (np.maximum(p, LEAST_PROBABILITY) for p in (likes.p_with, likes.p_without))
    columns = np.stack([likes.weight, likes.weight * np.log2(p_with / p_without)])
    sums: dict[Cell, UnitSums] = {(ALL,): Units(likes.actor).sums(*columns)}
    for code, name in enumerate(CONTENT_ORIGINS):
        if name in ORIGINS and (which := likes.origin == code).any():
            sums[ORIGIN, name] = Units(likes.actor[which]).sums(*columns[:, which])
    # In order of language, so that each is a slice: there may be as many as clients think of.
    order = np.argsort(likes.language, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(likes.language[order])) + 1):
        if len(rows) and (number := likes.language[rows[0]]) >= 0:
            sums[LANGUAGE, log.languages[number]] = Units(likes.actor[rows]).sums(*columns[:, rows])
    return TwinCells(len(log.likes), Cells(len(log.shown), sums), log.others)


def figures(state: TwinCells) -> Iterator[Figure]:
    """The mean of log2(p_with / p_without), of all likes, of likes of what people and what AI made, and of those of
    the languages most liked in. Above 0, likes still teach what nothing else does.
    """
    sums = state.cells.sums
    whole = sums[(ALL,)]
    if (why := _no_twin(state)) is not None:
        yield not_identified(NAME, {}, state.likes, why)
        return
    yield _of(whole, {"likes_of": ALL}, "", 0.0)
    for by, names in ((ORIGIN, ORIGINS), (LANGUAGE, _languages(sums))):
        found = {name: sums[by, name] for name in names if (by, name) in sums}
        known = sum(of.totals[WEIGHT] for (kind, *_), of in sums.items() if kind == by)
        for name, of in found.items():
            of_what = _OF[name] if by == ORIGIN else f" of what is liked in {name}"
            yield _of(of, {"likes_of": by, by: name}, of_what, 1 - known / whole.totals[WEIGHT])


_OF: Final = {"human": " of what people made", "ai": " of what AI made"}


def _no_twin(state: TwinCells) -> str | None:
    """Why nothing was compared; None where something was."""
    if not state.likes:
        return "there are no likes"
    if state.others is None:
        return (
            "no forecaster that learns no likes ran beside these; PREDICTOR_TWINS lets one run, and `truelike choice` "
            "runs one over files"
        )
    if state.others == 0 and not state.cells.exposures:
        return (
            "there are neither other actions (shares, buys) nor exposures that a forecaster without likes could learn"
        )
    if not state.cells.sums[(ALL,)].totals[WEIGHT]:
        return "nothing was forecast of the likes"
    return None


def _languages(sums: dict[Cell, UnitSums]) -> list[str]:
    """Those most liked in, in the order of likes."""
    liked = {name[0]: of for (by, *name), of in sums.items() if by == LANGUAGE and of.units >= LEAST_PEOPLE}
    order = sorted(liked, key=lambda name: (-liked[name].totals[WEIGHT], name))
    return order[:MOST_LANGUAGES]


def _of(sums: UnitSums, about: dict[str, Any], of_what: str, unknown: float) -> Figure:
    if sums.units < LEAST_PEOPLE and of_what:
        why = f"fewer than {LEAST_PEOPLE} people, whom it could tell of"
        return not_identified(NAME, about, 0, why)
    if (few := confidence.too_few(sums)) is not None:
        return not_identified(NAME, about, sums.rows, few)
    found = confidence.of_ratio_of_means(sums, (WORSE, WEIGHT))
    return measured(NAME, about, sums.rows, found, sentence(found, of_what), unknown_share=max(0.0, unknown))


def sentence(found: Interval, of_what: str = "") -> str:
    """`of_what`: of which likes it speaks, with a space before it."""
    # Where the interval is narrow one decimal would hide it.
    digits = 1 if found.high - found.low >= NARROW else 2
    forecasts = f"Without likes, forecasts of what people like next{of_what} would be"
    value, low, high = (f"{abs(x):.{digits}f}" for x in (found.value, found.low, found.high))
    if found.low > 0:
        return f"{forecasts} {value} bits worse ({low} to {high}): likes still teach what nothing else does."
    if found.high < 0:
        return f"{forecasts} {value} bits better ({high} to {low}): likes mislead, where all else is known."
    return (
        f"{forecasts} between {low} bits better and {high} bits worse: "
        "it is not known whether likes teach what nothing else does."
    )


measure: Final = Measure(NAME, TwinCells, state, figures)
