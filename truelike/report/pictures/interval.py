"""Where a figure may lie, and where it is."""

from __future__ import annotations

from typing import Final

from truelike.report.documents import Document
from truelike.report.markup import Markup, picture, tag

WIDTH: Final = 160.0
HEIGHT: Final = 16.0


def interval(figure: Document, scale: tuple[float, float]) -> Markup | None:
    """`scale`: what the left and right end stand for. Nothing where there is no number; an end that nothing bounds is
    the scale's.
    """
    value, low, high = figure["value"], figure["low"], figure["high"]
    if value is None and low is None and high is None:
        return None

    def x(at: float | None, otherwise: float) -> float:
        return (
            otherwise if at is None else WIDTH * (min(max(at, scale[0]), scale[1]) - scale[0]) / (scale[1] - scale[0])
        )

    left, right = x(low if low is not None else value, 0.0), x(high if high is not None else None, WIDTH)
    parts = [
        tag("rect", x=0, y=5, width=WIDTH, height=6, rx=3, class_="track"),
        tag("rect", x=left, y=5, width=max(right - left, 1.0), height=6, rx=1, class_="range"),
    ]
    if scale[0] < 0:
        parts.append(tag("line", x1=x(0.0, 0.0), x2=x(0.0, 0.0), y1=3, y2=13, class_="zero"))
    if value is not None:
        parts.append(tag("rect", x=min(x(value, 0.0), WIDTH - 2), y=1, width=2, height=14, class_="value"))
    title = f"On a scale from {scale[0]:.3g} to {scale[1]:.3g}: {_said(value)}, from {_said(low)} to {_said(high)}"
    return picture(WIDTH, HEIGHT, title, figure["sentence"], *parts, class_="interval")


def _said(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
