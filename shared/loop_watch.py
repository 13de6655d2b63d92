"""How long one piece of work kept the event loop; a process whose loop hangs ends, so that a supervisor restarts it."""

from __future__ import annotations

import asyncio
import faulthandler
import time
from typing import Final

STDERR = 2


class LoopWatch:
    """`longest`: the longest that the loop was kept since the start, s."""

    EVERY_SECONDS: Final = 0.1
    # A thread that needs no turn of the loop then writes all stacks to stderr and ends the process. Faust's heartbeats
    # come from another thread, too, so the group would wait for a hanging worker for good.
    HUNG_SECONDS: Final = 120

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        armed_at = -float(self.HUNG_SECONDS)
        try:
            while True:
                began = time.monotonic()
                if began - armed_at >= 1:
                    faulthandler.dump_traceback_later(self.HUNG_SECONDS, exit=True, file=STDERR)
                    armed_at = began
                await asyncio.sleep(self.EVERY_SECONDS)
                self.longest = max(self.longest, time.monotonic() - began - self.EVERY_SECONDS)
        finally:
            faulthandler.cancel_dump_traceback_later()
