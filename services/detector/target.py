"""Stage detector/target: likes that come together at a target, an origin or a creator pair, as event time passes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from services.detector.forgetting import pass_on, users
from services.detector.keyed import KEYS, keyed_by
from services.detector.pace import TICK_MS
from services.detector.settings import Judgement
from services.detector.signals import SIGNALS, observe
from services.detector.signals.meetings import Meetings
from services.detector.signals.rows import rows_of
from services.detector.windows import beyond
from shared import frames, schemas
from shared.checkpoints import Arrays
from shared.frames import Frame, Lineage, Output, to_outputs
from shared.hashing import U64
from shared.reorder_buffer import ReorderBuffer
from shared.topics import EVIDENCE_BY_ACTOR
from shared.watermark import UNKNOWN, Watermark

# Between two moments whose rows are taken in because many wait.
STEP_MS: Final = 1_000
PENDING_ROWS: Final = 4096


class TargetTask:
    """State of one partition: who liked each target lately, and the signals that are keyed by more than an actor."""

    def __init__(self, partition: int, settings: Judgement) -> None:
        self.partition = partition
        self.settings = settings
        self.counters = {"target_likes": 0, "meetings": 0, "findings": 0}
        # By actor partition.
        self.watermark = Watermark(settings.partitions)
        self.meetings = Meetings(settings.max_targets, settings.partitions)
        self.signals = {key: [new(settings.max_targets) for new in SIGNALS if new.key == key] for key in KEYS}
        self.pending = ReorderBuffer(schemas.KEYED_LIKES, ("occurred_at", "actor", "target"))
        self.passed_ms = self.told_ms = UNKNOWN

    def process(self, frame: Frame, offset: int) -> list[Output]:
        """Keyed likes to meetings and findings by actor, as event time passes them."""
        assert frame.lineage is not None
        if frame.kind == schemas.FORGET:
            self.forget(users(frame))
            verdicts = [(EVIDENCE_BY_ACTOR, p) for p in range(self.settings.partitions)]
            return pass_on(frame, "target", self.partition, offset, verdicts)
        self.counters["target_likes"] += frame.batch.num_rows
        self.pending.add(frame.batch)
        self.watermark.advance(frame.lineage.partition, frame.lineage.watermark)
        now = self.watermark.now
        tick = now // TICK_MS > self.told_ms // TICK_MS
        many = now >= self.passed_ms + STEP_MS and self.pending.rows >= PENDING_ROWS
        if not (tick or many):
            return []
        self.passed_ms = now
        meetings, findings = self._pass(now)
        self.counters["meetings"] += meetings.num_rows
        self.counters["findings"] += findings.num_rows
        if tick:
            self.told_ms = now
        # Meetings come last, and say for both how far event time is.
        return [
            *self._tell("findings", findings, Lineage("target-findings", self.partition, offset, UNKNOWN)),
            *self._tell("meetings", meetings, Lineage("target-meetings", self.partition, offset, now), tick),
        ]

    def _pass(self, now: int) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """Meetings and findings of the likes that event time has passed."""
        likes = self.pending.take(now)
        found = []
        for key, signals in self.signals.items():
            keyed = keyed_by(key, likes)
            rows = rows_of(keyed)
            if key == "target":
                fresh = keyed if not rows.settled.any() else keyed.filter(pa.array(~rows.settled))
                meetings = self.meetings.meet(fresh)
            found.append(observe(signals, rows, now))
        self._forget_old(beyond(self.settings.horizon_ms, now))
        return meetings, frames.join(found, schemas.FINDINGS)

    def _tell(self, kind: str, batch: pa.RecordBatch, lineage: Lineage, always: bool = False) -> list[Output]:
        if not (batch.num_rows or always):
            return []
        count = self.settings.partitions
        owner = batch.column("actor").to_numpy() % count
        return [
            output
            for p, part in enumerate(frames.by_owner(batch, owner, count))
            if always or part.num_rows
            for output in to_outputs(Frame(kind, part, lineage), EVIDENCE_BY_ACTOR, p)
        ]

    def _forget_old(self, before_ms: int) -> None:
        if self.meetings.expire(before_ms):
            for signal in self._all_signals():
                signal.expire(before_ms)

    def _all_signals(self) -> list[Any]:
        return [signal for signals in self.signals.values() for signal in signals]

    def forget(self, actors: U64) -> None:
        """Forget these actors; see `services.detector.forgetting`."""
        self.meetings.forget(actors)
        for signal in self._all_signals():
            signal.forget(actors)
        self.pending.keep(lambda b: ~np.isin(b.column("actor").to_numpy(), actors))

    def snapshot(self) -> Arrays:
        arrays: dict[str, Any] = {**self.meetings.snapshot(), **self.pending.snapshot("pending")}
        for signal in self._all_signals():
            arrays |= {f"{signal.name}/{name}": value for name, value in signal.snapshot().items()}
        return {
            **arrays,
            "watermark": self.watermark.snapshot(),
            "passed_ms": np.array([self.passed_ms, self.told_ms]),
        }

    def restore(self, arrays: Arrays) -> None:
        self.meetings.restore(arrays)
        self.pending.restore("pending", arrays)
        for signal in self._all_signals():
            prefix = f"{signal.name}/"
            signal.restore({n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)})
        self.watermark.restore(arrays["watermark"])
        self.passed_ms, self.told_ms = arrays["passed_ms"].tolist()
