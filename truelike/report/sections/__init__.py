"""The report's sections, in order. Another one is a file with its `SECTION` and a line here."""

from __future__ import annotations

from typing import Final

from truelike.report.sections import (
    charts,
    choice,
    labels,
    languages,
    loop,
    matrix,
    not_identified,
    of_what,
    others,
)
from truelike.report.sections.section import Section

SECTIONS: Final[tuple[Section, ...]] = (
    of_what.SECTION,
    labels.SECTION,
    charts.SECTION,
    matrix.SECTION,
    loop.SECTION,
    languages.SECTION,
    choice.SECTION,
    others.SECTION,
    not_identified.SECTION,
)
