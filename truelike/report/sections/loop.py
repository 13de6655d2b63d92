"""The loop: how much of what models learn from was made or liked by models, and what is left by day."""

from __future__ import annotations

from typing import Final

from truelike.report.documents import Document, Documents
from truelike.report.figures import identified, named, numbers, sentences, silent
from truelike.report.markup import Markup, Part, decimal, folded, joined, row, share, table, tag
from truelike.report.pictures.lines import by_day
from truelike.report.sections.section import Section

NAMES: Final = ("loop",)
# What is told by day, and with how many places.
BY_DAY: Final = {"human likes kept": 0, "variance of like scores": 4, "entropy of content": 2}


def content(documents: Documents) -> Markup | None:
    figures = named(documents.figures(), *NAMES)
    told = identified(figures)
    days = [figure for figure in told if figure.get("of") in BY_DAY]
    others = [figure for figure in told if figure not in days]
    shown: list[Part] = []
    if others:
        shown.append(sentences(others))
    shares = [figure for figure in others if "ceiling" in figure]
    if shares:
        shown += [tag("h3", "Ceiling: what a model's errors can grow to, in the limit"), _ceilings(shares)]
    if days:
        shown += [tag("h3", "By day"), _pictures(days), folded("the same as a table", _table(days))]
    shown.append(silent(figures))
    return joined(*shown) if any(shown) else None


def _ceilings(shares: list[Document]) -> Markup:
    rows = [
        row(
            figure["feed"],
            _times(figure["ceiling"]),
            _times(figure["ceiling_low"]),
            _times(figure["ceiling_high"]),
            share(figure["recommended_and_ai_made"]),
            share(figure["unknown_share"]),
        )
        for figure in shares
    ]
    return table(
        ("of what is learnt from", "ceiling", "at least", "at most", "recommended and AI-made", "unknown"), rows
    )


def _times(ceiling: float | None) -> Markup:
    return tag("span", "unbounded") if ceiling is None else joined(decimal(ceiling, 2), " times")


def _of(days: list[Document], what: str) -> list[Document]:
    return sorted((figure for figure in days if figure["of"] == what), key=lambda figure: figure["day"])


def _pictures(days: list[Document]) -> Markup:
    drawn = [
        tag("figure", tag("figcaption", what), by_day(f"{what}, by day", found, places))
        for what, places in BY_DAY.items()
        if (found := _of(days, what))
    ]
    return tag("div", *drawn, class_="small")


def _table(days: list[Document]) -> Markup:
    cells = {(figure["day"], figure["of"]): figure for figure in days}
    rows = [
        row(
            day,
            *(
                numbers(cells[day, what], places) if (day, what) in cells else "not identified"
                for what, places in BY_DAY.items()
            ),
        )
        for day in sorted({figure["day"] for figure in days})
    ]
    return table(("day", *BY_DAY), rows)


SECTION: Final = Section("loop", "The loop", content, NAMES)
