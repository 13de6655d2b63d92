"""What a report is made of: the documents of the API, as JSON has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# As of shared.messages: a Chart, a figure of PlatformLoop or PlatformChoice, or either of these.
Document = dict[str, Any]


@dataclass(frozen=True)
class About:
    """What the report is of. `judged`: by whom, a sentence; `labels`: likes by label; `notes`: sentences on what was
    left out. Times are RFC 3339, None where nothing was liked.
    """

    source: str
    judged: str
    first_at: str | None
    last_at: str | None
    labels: dict[str, int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Documents:
    """`charts`: any, of all likes or of one language; `loop` and `choice` None where nothing was measured."""

    about: About
    charts: list[Document] = field(default_factory=list)
    loop: Document | None = None
    choice: Document | None = None

    def figures(self) -> list[Document]:
        """The loop's, then choice's."""
        return [figure for document in (self.loop, self.choice) if document for figure in document["figures"]]
