"""How often the stages behind are told of event time.

Each telling is a frame to every partition of every stage behind, whatever is in it. Where event time runs no faster
than the clock there is one each TICK_MS of it; where a log is caught up with or replayed they would come faster than
they can be read, so there are at most so many a second, of moments that other partitions tell of, too.
"""

from __future__ import annotations

from typing import Final

from shared.frames import NO_CLOCK
from shared.watermark import UNKNOWN

TICK_MS: Final = 30_000
# By ingest's clock, which its frames carry: who reads them again sees the same.
PACE_MS: Final = 500
# No stride is longer than TICK_MS times two to this power: half an hour.
_MOST_DOUBLINGS: Final = 6


class Pace:
    """Part of a partition's state: what was told last, event time and clock, ms."""

    def __init__(self) -> None:
        self.told_ms = self.told_at_ms = UNKNOWN

    def next(self, now: int, clock_ms: int) -> int | None:
        """The event time to tell, None where it is too early. `clock_ms`: NO_CLOCK where nothing says it."""
        if now // TICK_MS <= self.told_ms // TICK_MS:
            return None
        if clock_ms == NO_CLOCK:
            return now
        if clock_ms // PACE_MS == self.told_at_ms // PACE_MS:
            return None
        ticks = (now - self.told_ms) // TICK_MS if self.told_ms != UNKNOWN else 1
        # Powers of two, so that partitions which are not equally fast meet again and again.
        stride = TICK_MS << min(max(ticks.bit_length() - 1, 0), _MOST_DOUBLINGS)
        return now // stride * stride

    def told(self, event_ms: int, clock_ms: int) -> None:
        self.told_ms, self.told_at_ms = event_ms, clock_ms
