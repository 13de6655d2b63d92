"""Likes by what was seen of who gave them."""

from __future__ import annotations

from typing import Final

from shared.labels import LABELS
from truelike.report.documents import Documents
from truelike.report.markup import Markup, count, joined, share, tag
from truelike.report.pictures.bars import bar, key
from truelike.report.sections.section import Section

_SAYS: Final = "A label says what was seen of an actor in a window of time. It does not say what a person is."


def content(documents: Documents) -> Markup:
    likes = {label: documents.about.labels.get(label, 0) for label in LABELS}
    total = sum(likes.values())
    if not total:
        return tag("p", "No like was judged.", class_="quiet")
    names = [
        (label, joined(f"{label} ", count(number), " (", share(number / total), ")")) for label, number in likes.items()
    ]
    drawn = bar("Likes by label", [(label, label, float(number)) for label, number in likes.items()], unit=" likes")
    return joined(tag("p", _SAYS, class_="quiet"), drawn, key(names))


SECTION: Final = Section("labels", "Who is doing the liking", content)
