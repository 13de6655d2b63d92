"""A part of the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from truelike.report.documents import Documents
from truelike.report.markup import Markup


@dataclass(frozen=True)
class Section:
    """`anchor`: its place in the page's address; `tells`: names of the figures that it shows where they are identified;
    `content`: None where it has nothing to say.
    """

    anchor: str
    title: str
    content: Callable[[Documents], Markup | None]
    tells: tuple[str, ...] = ()
