"""Stage detector/target: likes that come together at a target, an origin or a creator pair, as event time passes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from services.detector.forgetting import pass_on, users
from services.detector.keyed import KEY_OF, KINDS
from services.detector.reorder_buffer import ReorderBuffer
from services.detector.settings import Judgement
from services.detector.signals import SIGNALS, observe
from services.detector.signals.meetings import Meetings
from services.detector.signals.rows import rows_of
from services.detector.windows import UNKNOWN, Watermark, beyond
from shared import frames
from shared.checkpoints import Arrays
from shared.frames import Frame, Lineage, Output, to_outputs
from shared.hashing import U64
from shared.topics import EVIDENCE_BY_ACTOR

TICK_MS: Final = 30_000
# And no more often than this, however many rows wait.
STEP_MS: Final = 1_000
PENDING_ROWS: Final = 4096


class TargetTask:
    """State of one partition: who liked each target lately, and the signals that are keyed by more than an actor."""

    def __init__(self, partition: int, settings: Judgement) -> None:
        self.partition = partition
        self.settings = settings
        self.counters = {"target_likes": 0, "meetings": 0, "findings": 0}
        # Frames of each kind come from each actor partition on their own.
        self.watermark = Watermark(settings.partitions * len(KINDS))
        self.meetings = Meetings(settings.max_targets, settings.partitions)
        self.signals = {
            kind: [new(settings.max_targets) for new in SIGNALS if new.key == KEY_OF[kind]] for kind in KINDS
        }
        self.pending = {kind: ReorderBuffer(frames.KEYED_LIKES, ("occurred_at", "actor", "target")) for kind in KINDS}
        self.passed_ms = self.told_ms = UNKNOWN

    def process(self, frame: Frame, offset: int) -> list[Output]:
        """Keyed likes to meetings and findings by actor, as event time passes them."""
        assert frame.lineage is not None
        if frame.kind == frames.FORGET:
            self.forget(users(frame))
            verdicts = [(EVIDENCE_BY_ACTOR, p) for p in range(self.settings.partitions)]
            return pass_on(frame, "target", self.partition, offset, verdicts)
        self.counters["target_likes"] += frame.batch.num_rows
        self.pending[frame.kind].add(frame.batch)
        source = list(KINDS).index(frame.kind) * self.settings.partitions + frame.lineage.partition
        self.watermark.advance(source, frame.lineage.watermark)
        now = self.watermark.now
        tick = now // TICK_MS > self.told_ms // TICK_MS
        many = now >= self.passed_ms + STEP_MS and sum(p.rows for p in self.pending.values()) >= PENDING_ROWS
        if not (tick or many):
            return []
        self.passed_ms = now
        found = []
        for kind, pending in self.pending.items():
            likes = pending.take(now)
            rows = rows_of(likes)
            if kind == "target-likes":
                fresh = likes if not rows.settled.any() else likes.filter(pa.array(~rows.settled))
                meetings = self.meetings.meet(fresh)
            found.append(observe(self.signals[kind], rows, now))
        self._forget_old(beyond(self.settings.horizon_ms, now))
        findings = frames.join(found, frames.FINDINGS)
        self.counters["meetings"] += meetings.num_rows
        self.counters["findings"] += findings.num_rows
        if tick:
            self.told_ms = now
        return self._tell("findings", findings, offset, tick) + self._tell("meetings", meetings, offset, tick)

    def _tell(self, kind: str, batch: pa.RecordBatch, offset: int, tick: bool) -> list[Output]:
        lineage = Lineage(f"target-{kind}", self.partition, offset, self.passed_ms)
        owners = batch.column("actor").to_numpy() % self.settings.partitions
        outputs = []
        for p in range(self.settings.partitions):
            mine = owners == p
            if tick or mine.any():
                outputs += to_outputs(Frame(kind, batch.filter(pa.array(mine)), lineage), EVIDENCE_BY_ACTOR, p)
        return outputs

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
        for pending in self.pending.values():
            pending.keep(lambda b: ~np.isin(b.column("actor").to_numpy(), actors))

    def snapshot(self) -> Arrays:
        arrays: dict[str, Any] = dict(self.meetings.snapshot())
        for kind, pending in self.pending.items():
            arrays |= pending.snapshot(f"pending.{kind}")
        for signal in self._all_signals():
            arrays |= {f"{signal.name}/{name}": value for name, value in signal.snapshot().items()}
        return {
            **arrays,
            "watermark": self.watermark.snapshot(),
            "passed_ms": np.array([self.passed_ms, self.told_ms]),
        }

    def restore(self, arrays: Arrays) -> None:
        self.meetings.restore(arrays)
        for kind, pending in self.pending.items():
            pending.restore(f"pending.{kind}", arrays)
        for signal in self._all_signals():
            prefix = f"{signal.name}/"
            signal.restore({n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)})
        self.watermark.restore(arrays["watermark"])
        self.passed_ms, self.told_ms = arrays["passed_ms"].tolist()
