"""Figures as rows: what each says, where it lies, and its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from truelike.report.documents import Document
from truelike.report.markup import Markup, count, decimal, joined, row, table, tag
from truelike.report.pictures.interval import interval

# What every figure says; whatever else is text says what it is of.
_OF_ALL: Final = {"figure", "why", "sentence"}


def named(figures: Iterable[Document], *names: str) -> list[Document]:
    return [figure for figure in figures if figure["figure"] in names]


def identified(figures: Iterable[Document]) -> list[Document]:
    return [figure for figure in figures if figure["identified"]]


def about(figure: Document) -> str:
    """What a figure is of: `liked by bot, origin ai`; `of` itself says no more than what it names."""
    said = {key: value for key, value in figure.items() if key not in _OF_ALL and isinstance(value, str) and value}
    # `of` a day, and which one.
    texts = (
        value if key == "of" else f"{key.replace('_', ' ')} {value}" for key, value in said.items() if value not in said
    )
    return ", ".join(texts)


def sentences(figures: list[Document]) -> Markup:
    """A row for each; those of one figure are in one table, on one scale."""
    names = dict.fromkeys(figure["figure"] for figure in figures)
    return joined(*(_table(name, named(figures, name)) for name in names))


def _table(name: str, figures: list[Document]) -> Markup:
    scale = scale_of(figures)
    rows = [
        row(
            joined(figure["sentence"], tag("small", about(figure))),
            interval(figure, scale),
            numbers(figure),
            count(figure["n"]),
        )
        for figure in figures
    ]
    head = (name.replace("_", " "), f"{scale[0]:.3g} to {scale[1]:.3g}", "value (low to high)", "n")
    return table(head, rows, class_="sentences")


def numbers(figure: Document, places: int = 3) -> Markup:
    low, high = figure["low"], figure["high"]
    if low is None and high is None:
        return decimal(figure["value"], places)
    edges = joined(" (", decimal(low, places), " to ", decimal(high, places) if high is not None else "any", ")")
    return joined(decimal(figure["value"], places), edges)


def scale_of(figures: Iterable[Document]) -> tuple[float, float]:
    """From 0, or below, to 1, or above where something is."""
    known = [edge for figure in figures for edge in _edges(figure)]
    return min([0.0, *known]), max([1.0, *known])


def _edges(figure: Document) -> Iterator[float]:
    yield from (figure[name] for name in ("low", "value", "high") if figure[name] is not None)


def silent(figures: Iterable[Document]) -> Markup | None:
    """How many of them are not identified."""
    left = [figure for figure in figures if not figure["identified"]]
    if not left:
        return None
    said = "1 figure of this is" if len(left) == 1 else f"{len(left):,} figures of this are"
    return tag("p", f"{said} not identified: ", tag("a", "why", href="#not-identified"), ".", class_="quiet")
