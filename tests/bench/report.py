"""docs/benchmarks.md: a section for each part, written anew when the part ran; other sections stay as they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tests.bench.measuring import Row

HEAD: Final = (
    "# Benchmarks\n\n"
    "`make bench` writes this; `.venv/bin/python -m tests.bench.run NAME` measures one part. "
    "Absolute figures hold for that machine and hour; compare ratios.\n"
)
_SECTION: Final = re.compile(r"^## (.+)\n", re.MULTILINE)


def section(where: str, rows: Sequence[Row]) -> str:
    """`where`: revision, date and machine, one sentence."""
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"{where}\n\n| what | measured | reference in the same run | ratio |\n|---|---|---|---|\n{table}"


def updated(text: str, sections: dict[str, str], order: Sequence[str]) -> str:
    """The document with these sections (title to content) in place of those that it has. Titles in `order` come first,
    in that order; what somebody wrote by hand comes after them.
    """
    _, *parts = _SECTION.split(text)
    found = {title: content.strip() + "\n" for title, content in zip(parts[::2], parts[1::2], strict=True)}
    found |= sections
    titles = [title for title in order if title in found] + [title for title in found if title not in order]
    return "\n".join([HEAD, *(f"## {title}\n\n{found[title]}" for title in titles)])
