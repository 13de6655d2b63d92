"""The signals. A new one is a module beside these and a line in the list.

Lockstep is judged in two steps (who met whom at a target, then how often by pair) and has its own places in the
stages: `meetings`, `lockstep`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from services.detector.signals.churn import Churn
from services.detector.signals.haste import Haste
from services.detector.signals.metronome import Metronome
from services.detector.signals.origin import Origin
from services.detector.signals.rate import Rate
from services.detector.signals.ring import Ring
from services.detector.signals.rows import to_batch
from services.detector.signals.signal import Rows, Signal
from services.detector.signals.sleepless import Sleepless
from services.detector.signals.strangers import Strangers
from shared import frames, schemas

SIGNALS: Final[tuple[Any, ...]] = (Rate, Haste, Metronome, Sleepless, Churn, Strangers, Origin, Ring)


def observe(signals: Sequence[Signal], rows: Rows, now: int) -> pa.RecordBatch:
    """What these signals find, as one batch of schema `schemas.FINDINGS`."""
    found = [(signal.name, signal.observe(rows, now)) for signal in signals]
    return frames.join([to_batch(name, findings) for name, findings in found if len(findings)], schemas.FINDINGS)
