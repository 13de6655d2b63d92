"""Labels of a verdict, in order of what they mean for trust: they say what was seen, not what a person is."""

from __future__ import annotations

from typing import Final, Literal, get_args

Label = Literal["human", "suspect", "bot", "agent"]
LABELS: Final[tuple[Label, ...]] = get_args(Label)
HUMAN, SUSPECT, BOT, AGENT = range(4)
