"""Who likes what: labels by declared origin."""

from __future__ import annotations

from typing import Final

from shared.labels import LABELS
from truelike.report.documents import Document, Documents
from truelike.report.figures import identified, named, sentences, silent
from truelike.report.markup import Markup, Part, count, data, decimal, joined, share, table, tag
from truelike.report.sections.section import Section

NAMES: Final = ("who_likes_what", "who_likes_creators")
ORIGINS: Final = {"human": "people's work", "ai": "AI-made", "mixed": "people with AI", "unknown": "undeclared"}
# Bits at which a cell has its full colour.
_FULL: Final = 3.0
_MOST_TINT: Final = 45


def content(documents: Documents) -> Markup | None:
    figures = named(documents.figures(), *NAMES)
    told = identified(figures)
    cells = [figure for figure in told if figure.get("liked_by") in LABELS]
    shown: list[Part] = []
    if cells:
        shown += [_matrix(cells), tag("p", _LEGEND, class_="quiet")]
    others = [figure for figure in told if figure not in cells]
    if others:
        shown.append(sentences(others))
    shown.append(silent(figures))
    return joined(*shown) if any(shown) else None


_LEGEND: Final = (
    "Likes, their share of all likes of that origin with its interval, and in bits how much more (+) or less (\u2212) "
    "often the two meet than chance would have it. Empty: not seen, or not told."
)


def _matrix(cells: list[Document]) -> Markup:
    by = {(figure["origin"], figure["liked_by"]): figure for figure in cells}
    rows = [
        tag("tr", tag("th", name, scope="row"), *(_cell(by.get((origin, label))) for label in LABELS))
        for origin, name in ORIGINS.items()
        if any((origin, label) in by for label in LABELS)
    ]
    return table(("liked by", *LABELS), rows, class_="heat")


def _cell(figure: Document | None) -> Markup:
    if figure is None:
        return tag("td")
    bits = figure["bits"]
    said = joined(data(bits, f"{bits:+.2f}".replace("-", "\u2212")), " bits") if bits is not None else None
    edges = joined(share(figure["value"]), " (", share(figure["low"]), " to ", share(figure["high"]), ")")
    return tag(
        "td",
        tag("b", count(figure["likes"])),
        tag("small", edges),
        tag("small", said) if said else None,
        tag("small", "weight ", decimal(figure["weight"], 1)),
        title=figure["sentence"],
        style=_tint(bits),
    )


def _tint(bits: float | None) -> str | None:
    if bits is None:
        return None
    tint = round(_MOST_TINT * min(abs(bits) / _FULL, 1.0))
    return f"background: color-mix(in srgb, var(--{'more' if bits >= 0 else 'less'}) {tint}%, transparent)"


SECTION: Final = Section("matrix", "Who likes what", content, NAMES)
