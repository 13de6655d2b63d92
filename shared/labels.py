"""Labels of a verdict, in order of what they mean for trust: they say what was seen, not what a person is."""

from __future__ import annotations

from typing import Final

LABELS: Final = ("human", "suspect", "bot", "agent")
HUMAN, SUSPECT, BOT, AGENT = range(4)
