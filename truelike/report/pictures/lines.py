"""A number by day, with its interval: a small line."""

from __future__ import annotations

from datetime import date
from typing import Final

from truelike.report.documents import Document
from truelike.report.markup import Markup, picture, plain, tag

WIDTH: Final = 340.0
HEIGHT: Final = 138.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 6.0, 334.0, 22.0, 108.0


def by_day(title: str, figures: list[Document], places: int) -> Markup:
    """Of figures that are identified, in order of their `day`; a line is broken where a day is missing from them."""
    days = [_day_number(figure["day"]) for figure in figures]
    first, last = days[0], max(days[-1], days[0] + 1)
    lows = [figure["low"] if figure["low"] is not None else figure["value"] for figure in figures]
    highs = [figure["high"] if figure["high"] is not None else figure["value"] for figure in figures]
    least, most = min(lows), max(highs)

    def x(day: int) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (day - first) / (last - first)

    def y(value: float) -> float:
        # What never changes is in the middle.
        share = (value - least) / (most - least) if most > least else 0.5
        return _BOTTOM - (_BOTTOM - _TOP) * share

    parts: list[Markup] = []
    for run in _runs(days):
        upper = [f"{x(days[k]):.1f},{y(highs[k]):.1f}" for k in run]
        lower = [f"{x(days[k]):.1f},{y(lows[k]):.1f}" for k in reversed(run)]
        middle = [f"{x(days[k]):.1f},{y(figures[k]['value']):.1f}" for k in run]
        parts.append(tag("polygon", points=" ".join([*upper, *lower]), class_="band"))
        parts.append(tag("polyline", points=" ".join(middle), class_="line"))
    for day, figure in zip(days, figures, strict=True):
        point = tag("g", tag("title", figure["sentence"]), tag("circle", cx=x(day), cy=y(figure["value"]), r=3))
        parts.append(point)
    parts += [
        tag("text", plain(most, places), x=_LEFT, y=14, class_="quiet"),
        tag("text", plain(least, places), x=_LEFT, y=HEIGHT - 8, class_="quiet"),
        tag("text", f"{figures[0]['day']} to {figures[-1]['day']}", x=_RIGHT, y=HEIGHT - 8, class_="quiet end"),
    ]
    desc = f"{len(figures)} days, from {plain(least, places)} to {plain(most, places)} with the intervals."
    return picture(WIDTH, HEIGHT, title, desc, *parts, class_="lines")


def _day_number(day: str) -> int:
    return date.fromisoformat(day).toordinal()


def _runs(days: list[int]) -> list[list[int]]:
    """Places of days that follow each other."""
    runs: list[list[int]] = []
    for k, day in enumerate(days):
        if runs and day == days[k - 1] + 1:
            runs[-1].append(k)
        else:
            runs.append([k])
    return runs
