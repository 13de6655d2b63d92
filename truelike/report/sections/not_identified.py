"""What is not identified, and why: no number is better than a wrong one."""

from __future__ import annotations

from typing import Final

from truelike.report.documents import Document, Documents
from truelike.report.figures import about
from truelike.report.markup import Markup, Part, count, joined, row, table, tag
from truelike.report.sections.section import Section

_NOTHING_OF: Final = {"loop": "the loop", "choice": "whose choice it was"}


def content(documents: Documents) -> Markup:
    missing = [name for name in _NOTHING_OF if getattr(documents, name) is None]
    shown: list[Part] = [tag("p", f"Nothing was measured of {_NOTHING_OF[name]}.") for name in missing]
    groups: dict[tuple[str, str], list[Document]] = {}
    for figure in documents.figures():
        if not figure["identified"]:
            groups.setdefault((figure["figure"], figure["why"]), []).append(figure)
    if groups:
        rows = [
            row(name.replace("_", " "), "; ".join(filter(None, map(about, found))), why, _likes(found))
            for (name, why), found in groups.items()
        ]
        shown.append(table(("figure", "of", "why", "n"), rows))
    elif not missing:
        shown.append(tag("p", "Everything is identified."))
    return joined(*shown)


def _likes(found: list[Document]) -> Markup:
    """Each different number once, in order."""
    numbers = list(dict.fromkeys(figure["n"] for figure in found))
    return joined(count(numbers[0]), *(part for n in numbers[1:] for part in (", ", count(n))))


SECTION: Final = Section("not-identified", "What is not identified, and why", content)
