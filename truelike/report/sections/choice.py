"""Whose choice it was: what likes held in bits, by surface, and by what it was foretold; then the other figures."""

from __future__ import annotations

from typing import Final

from truelike.report.documents import Document, Documents
from truelike.report.figures import identified, sentences, silent
from truelike.report.markup import Markup, Part, decimal, joined, tag
from truelike.report.pictures.bars import bar, key
from truelike.report.sections.section import Section

BITS: Final = "choice_bits"
PARTS: Final = {"history": "their own past", "shown": "what was put before them", "rest": "neither"}


def content(documents: Documents) -> Markup | None:
    figures = documents.choice["figures"] if documents.choice else []
    if not figures:
        return None
    told = identified(figures)
    by: dict[str, dict[str, Document]] = {}
    for figure in told:
        if figure["figure"] == BITS and figure["bits_of"] in PARTS:
            by.setdefault(figure["surface"], {})[figure["bits_of"]] = figure
    shown: list[Part] = [tag("p", _SAYS, class_="quiet")]
    if by:
        shown += [tag("h3", "What a like held in the mean, and what foretold it"), key(_KEY)]
        most = max(_held(of) for of in by.values()) or 1.0
        shown += [_surface(surface, of, most) for surface, of in by.items()]
    if told:
        shown.append(sentences(told))
    shown.append(silent(figures))
    return joined(*shown)


_SAYS: Final = (
    "Of likes that people gave, and of groups only. Intervals hold at every look. Predictable is not unchosen."
)
_KEY: Final = [(part, f"foretold by {by}") for part, by in PARTS.items()]


def _held(of: dict[str, Document]) -> float:
    return float(sum(max(figure["value"], 0.0) for figure in of.values()))


def _surface(surface: str, of: dict[str, Document], most: float) -> Markup:
    found = [part for part in PARTS if part in of]
    told: list[Part] = []
    for part in found:
        told += [", " if told else None, decimal(of[part]["value"], 2), f" bits by {PARTS[part]}"]
    drawn = [(part, PARTS[part], of[part]["value"]) for part in found]
    return tag(
        "div", tag("p", tag("b", surface), ": ", *told), bar(f"Bits by surface: {surface}", drawn, most, unit=" bits")
    )


SECTION: Final = Section("choice", "Whose choice it was", content)
