"""When a platform is at rest: nothing waits to be read, and nothing has been counted for a while."""

from __future__ import annotations

import time

from truelike.cli.stack import Metrics


class Quiescence:
    """Compares the metrics it is shown, one after the other."""

    def __init__(self) -> None:
        self._counted: Metrics | None = None
        self._since = time.monotonic()

    def lasts(self, metrics: Metrics, seconds: float) -> bool:
        """Whether all has been read, and counters are as they were `seconds` ago. What consoles have viewed begins
        anew with each of them, and says nothing.
        """
        counted = {k: v for k, v in metrics.items() if k.endswith("_total") and not k.startswith("console/viewed")}
        if counted != self._counted:
            self._counted, self._since = counted, time.monotonic()
        waits = any(value for name, value in metrics.items() if "/lag_" in name)
        return not waits and time.monotonic() - self._since > seconds
