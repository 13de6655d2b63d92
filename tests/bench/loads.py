"""The loads of the detector's rows: likes a second of event time, and how many windows must close while they come.

An hour's twenty windows are twenty hours; above 70 likes/s nobody waits for that, so event time is cut: likes come at
the full rate in bursts, each across the end of a window, and nothing comes between. What a window then lacks is in
the row.
"""

from __future__ import annotations

from typing import Final

from tests.bench.crowd import Load
from tests.bench.windows import MINUTE_MS

_HOUR_MS: Final = 60 * MINUTE_MS
_ALL: Final = {MINUTE_MS: 20, 5 * MINUTE_MS: 20, 10 * MINUTE_MS: 20, _HOUR_MS: 20}
_TO_TEN_MINUTES: Final = {MINUTE_MS: 20, 5 * MINUTE_MS: 20, 10 * MINUTE_MS: 20}

LOADS: Final[dict[str, Load]] = {
    "7": Load(7, bursts=21, burst_ms=_HOUR_MS, every_ms=_HOUR_MS, promised=_ALL),
    "70": Load(70, bursts=21, burst_ms=_HOUR_MS, every_ms=_HOUR_MS, promised=_ALL, rounds=1),
    "700": Load(700, bursts=21, burst_ms=60_000, every_ms=_HOUR_MS, promised=_ALL),
    "7000": Load(7000, bursts=21, burst_ms=16_000, every_ms=10 * MINUTE_MS, promised=_TO_TEN_MINUTES, rounds=1),
}
