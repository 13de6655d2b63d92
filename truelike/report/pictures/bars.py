"""Parts of a whole, side by side in one bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from truelike.report.markup import Markup, picture, plain, tag

WIDTH: Final = 720.0

# (class, what it is called, how much)
Part = tuple[str, str, float]


def bar(title: str, parts: list[Part], whole: float | None = None, height: float = 22.0, unit: str = "") -> Markup:
    """As long as its share of `whole`; without it, as all there is."""
    total = whole if whole is not None else sum(amount for *_, amount in parts)
    at, drawn = 0.0, []
    for kind, _, amount in parts:
        width = WIDTH * max(amount, 0.0) / total if total else 0.0
        drawn.append(tag("rect", x=at, y=0, width=width, height=height, class_=kind))
        at += width
    # A rectangle has no text of its own in print; the whole says what each part is.
    desc = ", ".join(f"{name} {plain(amount, 2)}{unit}" for _, name, amount in parts)
    track = tag("rect", x=0, y=0, width=WIDTH, height=height, class_="track")
    return picture(WIDTH, height, title, desc, track, *drawn, class_="bar")


def key(names: Sequence[tuple[str, str]]) -> Markup:
    """(class, what it stands for)"""
    return tag("p", *(tag("span", tag("i", class_=kind), said) for kind, said in names), class_="key")
