"""Figures of the loop that no other section shows, such as whom the detector wrongs."""

from __future__ import annotations

from typing import Final

from truelike.report.documents import Documents
from truelike.report.figures import identified, sentences
from truelike.report.markup import Markup
from truelike.report.sections import languages, loop, matrix
from truelike.report.sections.section import Section

_TOLD: Final = {*matrix.NAMES, *loop.NAMES, *languages.NAMES}


def content(documents: Documents) -> Markup | None:
    figures = documents.loop["figures"] if documents.loop else []
    left = [figure for figure in identified(figures) if figure["figure"] not in _TOLD]
    return sentences(left) if left else None


SECTION: Final = Section("others", "Other figures", content)
