"""The loop's figures, by number in docs/loop.md. Another one is a file with its `Measure` and a line here.

Figure 8 is the charts themselves.
"""

from __future__ import annotations

from typing import Any, Final

from services.charts.figures import language_exposure, loop, who_likes_what, wrongly_called_bot
from shared.measures.measure import Measure

FIGURES: Final[dict[int, Measure[Any, Any]]] = {
    13: who_likes_what.measure,
    7: loop.measure,
    10: language_exposure.measure,
    11: wrongly_called_bot.measure,
}
