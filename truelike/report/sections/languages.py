"""Languages: how much of what is put before people is of each, over what there is of it."""

from __future__ import annotations

from typing import Final

from truelike.report.documents import Document, Documents
from truelike.report.figures import identified, named, numbers, scale_of, sentences, silent
from truelike.report.markup import Markup, Part, joined, row, share, table, tag
from truelike.report.pictures.bars import bar
from truelike.report.pictures.interval import interval
from truelike.report.sections.section import Section

NAMES: Final = ("language_exposure",)
OVER: Final = ("organic likes", "users of its locales", "supply")


def content(documents: Documents) -> Markup | None:
    figures = named(documents.figures(), *NAMES)
    told = identified(figures)
    ratios = [figure for figure in told if "over" in figure]
    others = [figure for figure in told if figure not in ratios]
    shown: list[Part] = []
    if ratios:
        shown += [tag("p", _legend(ratios), class_="quiet"), _table(ratios)]
    if others:
        shown.append(sentences(others))
    shown.append(silent(figures))
    return joined(*shown) if any(shown) else None


def _legend(ratios: list[Document]) -> str:
    exposure, (_, most) = ratios[0]["exposure"], scale_of(ratios)
    return (
        f"Share of {exposure}, and how many times that is the language's share of what the column names: "
        f"1 is the same, drawn from 0 to {most:.2f}."
    )


def _table(ratios: list[Document]) -> Markup:
    by = {(figure["language"], figure["over"]): figure for figure in ratios}
    scale = scale_of(ratios)
    rows = []
    for language in dict.fromkeys(figure["language"] for figure in ratios):
        mine = [by.get((language, over)) for over in OVER]
        first = next(figure for figure in mine if figure is not None)
        drawn = bar(f"Share of {first['exposure']}, {language}", [("history", language, first["share"])], 1.0, 60.0)
        rows.append(row(language, joined(share(first["share"]), drawn), *(_ratio(figure, scale) for figure in mine)))
    return table(("language", "share", *(f"over {over}" for over in OVER)), rows)


def _ratio(figure: Document | None, scale: tuple[float, float]) -> Markup:
    if figure is None:
        return tag("span", "not identified", class_="quiet")
    return tag("div", numbers(figure, 2), interval(figure, scale), title=figure["sentence"])


SECTION: Final = Section("languages", "Languages", content, NAMES)
