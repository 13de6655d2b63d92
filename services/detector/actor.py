"""Stage detector/actor: counts each actor's likes per window and hands them on to the target stage."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from services.detector import rate
from services.detector.actor_names import ActorNames
from services.detector.settings import Judgement
from services.detector.windows import UNKNOWN, Watermark, tumbling
from services.ingest.framing import split
from shared import frames
from shared.checkpoints import Arrays, pack_blobs, unpack_blobs
from shared.events import UNLIKE
from shared.frames import Frame, Lineage, Output, to_outputs
from shared.hashing import hash_strings, mix
from shared.slots import SlotTable
from shared.topics import EVIDENCE_BY_ACTOR, FRAMES_BY_TARGET

TICK_MS = 30_000
TARGET_ROWS = 4096


@njit(cache=True)
def _running_counts(counts: Any, slots: Any, out: Any) -> None:
    for i in range(len(slots)):
        counts[slots[i]] += 1
        out[i] = counts[slots[i]]


class ActorTask:
    """State of one partition: likes per actor and window, each actor's habit, the stream's baseline."""

    def __init__(self, partition: int, settings: Judgement) -> None:
        self.partition = partition
        self.settings = settings
        self.counters = {
            "likes": 0,
            "repeated_likes": 0,
            "late_likes": 0,
            "late_judged": 0,
            "evicted_actor_windows": 0,
        }
        self.baseline = rate.StreamBaseline()
        self.watermark = Watermark(settings.partitions)
        self.marks = np.full(settings.partitions, -1, np.int64)
        self.windows = SlotTable(
            {"window": np.int64, "likes": np.int64, "actor": np.uint64, "closed": np.bool_},
            settings.max_actors,
        )
        self.habits = SlotTable({"log_mean": np.float64}, settings.max_actors)
        self.names = ActorNames()
        self.to_targets: list[pa.RecordBatch] = []
        self.ticked_ms = UNKNOWN

    def process(self, frame: Frame, offset: int) -> list[Output]:
        """One frame of likes by actor to evidence (likes with running rates, rates at window close)."""
        likes = self._new_and_in_time(frame.batch)
        self._see_progress(frame)
        outputs = []
        late: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        if likes.num_rows:
            evidence, late = self._count(likes)
            outputs += self._outputs(Frame("likes", evidence, self._lineage("actor-likes", offset)), EVIDENCE_BY_ACTOR)
            self._queue_for_targets(likes)
        tick = self.watermark.now - self.watermark.now % TICK_MS
        if tick > self.ticked_ms or len(late):
            self.ticked_ms = max(tick, self.ticked_ms)
            rates = self._close_windows(late)
            outputs += self._outputs(Frame("rates", rates, self._lineage("actor-rates", offset)), EVIDENCE_BY_ACTOR)
            outputs += self._flush_targets(offset, to_all=True)
        elif sum(b.num_rows for b in self.to_targets) >= TARGET_ROWS:
            outputs += self._flush_targets(offset, to_all=False)
        return outputs

    def _lineage(self, stage: str, offset: int) -> Lineage:
        return Lineage(stage, self.partition, offset, self.ticked_ms)

    def _outputs(self, frame: Frame, topic: str) -> list[Output]:
        return to_outputs(frame, topic, self.partition)

    def _see_progress(self, frame: Frame) -> None:
        if frame.progress is not None:
            for source, watermark in frame.progress.watermarks.items():
                self.watermark.advance(source, watermark - self.settings.lateness_ms if watermark >= 0 else UNKNOWN)

    def _new_and_in_time(self, likes: pa.RecordBatch) -> pa.RecordBatch:
        """Without the rows that a restarted ingest has sent again, and those beyond the horizon."""
        source = likes.column("source_partition").to_numpy()
        offsets = likes.column("source_offset").to_numpy()
        fresh = offsets > self.marks[source]
        np.maximum.at(self.marks, source, offsets)
        times = likes.column("occurred_at").to_numpy()
        too_late = fresh & (times < self.watermark.now - self.settings.horizon_ms)
        self.counters["likes"] += int(fresh.sum())
        self.counters["repeated_likes"] += int((~fresh).sum())
        self.counters["late_likes"] += int(too_late.sum())
        keep = fresh & ~too_late
        return likes if keep.all() else likes.filter(pa.array(keep))

    def _count(self, likes: pa.RecordBatch) -> tuple[pa.RecordBatch, npt.NDArray[np.int64]]:
        times = likes.column("occurred_at").to_numpy()
        actors = hash_strings(likes.column("actor_id"))
        window = tumbling(times, self.settings.window_ms)
        slots, new = self.windows.insert(mix(actors, window.astype(np.uint64)))
        self.windows["window"][slots], self.windows["actor"][slots] = window, actors
        self.windows["touched"][slots] = window
        counts = np.empty(len(slots), np.int64)
        _running_counts(self.windows["likes"], slots, counts)
        location, spread = self.baseline.location_and_spread()
        odds, _ = rate.log_odds(counts, self._own_log_mean(actors), location, spread)
        self.names.add(window[new], actors[new], likes.column("actor_id").filter(pa.array(new)))
        closed = self.windows["closed"][slots]
        self.counters["late_judged"] += int(closed.sum())
        self.counters["evicted_actor_windows"] = self.windows.evicted
        columns = [*likes.columns, pa.array(window), pa.array(odds.astype(np.float32))]
        return pa.RecordBatch.from_arrays(columns, schema=frames.JUDGED_LIKES), np.unique(slots[closed])

    def _own_log_mean(self, actors: npt.NDArray[np.uint64]) -> npt.NDArray[np.float64]:
        slots = self.habits.find(actors)
        return np.where(slots >= 0, self.habits["log_mean"][slots], 0.0)

    def _close_windows(self, late: npt.NDArray[np.int64]) -> pa.RecordBatch:
        """Rates of the windows that the tick has passed, oldest first, and of late actors' windows again."""
        used = self.windows.occupied()
        starts = self.windows["window"][used]
        due = used[(starts + self.settings.window_ms <= self.ticked_ms) & ~self.windows["closed"][used]]
        parts = [self._rates(late)] if len(late) else []
        for start in np.unique(self.windows["window"][due]):
            slots = due[self.windows["window"][due] == start]
            slots = slots[np.argsort(self.windows.keys[slots])]
            parts.append(self._rates(slots))
            self.windows["closed"][slots] = True
            self._learn(slots)
        self._forget()
        return frames.join(parts, frames.RATES)

    def _rates(self, slots: npt.NDArray[np.int64]) -> pa.RecordBatch:
        actors, window, counts = (self.windows[c][slots] for c in ("actor", "window", "likes"))
        location, spread = self.baseline.location_and_spread()
        odds, baseline = rate.log_odds(counts, self._own_log_mean(actors), location, spread)
        ids = [self.names.of(w, a) for w, a in _by_window(window, actors)]
        columns = [
            pa.concat_arrays(ids),
            pa.array(np.sort(window, kind="stable")),
            pa.array(counts.astype(np.int32)),
            pa.array(baseline.astype(np.float32)),
            pa.array(odds.astype(np.float32)),
        ]
        order = np.argsort(window, kind="stable")
        columns[2:] = [c.take(pa.array(order)) for c in columns[2:]]
        return pa.RecordBatch.from_arrays(columns, schema=frames.RATES)

    def _learn(self, slots: npt.NDArray[np.int64]) -> None:
        counts, actors = self.windows["likes"][slots], self.windows["actor"][slots]
        self.baseline.learn(counts)
        habits, new = self.habits.insert(actors)
        own = self.habits["log_mean"][habits]
        self.habits["log_mean"][habits] = np.where(new, 0.0, own * rate.OWN_MEMORY) + np.log(counts) * (
            1 - rate.OWN_MEMORY
        )
        self.habits["touched"][habits] = self.windows["window"][slots]

    def _forget(self) -> None:
        oldest = self.ticked_ms - self.settings.horizon_ms
        self.windows.expire(oldest)
        self.habits.expire(oldest)
        self.names.keep(self.windows["window"][self.windows.occupied()])

    def _queue_for_targets(self, likes: pa.RecordBatch) -> None:
        given = likes.filter(pa.array(likes.column("action").to_numpy() != UNLIKE))
        self.to_targets.append(given.select([f.name for f in frames.TARGET_LIKES]))

    def _flush_targets(self, offset: int, to_all: bool) -> list[Output]:
        likes = frames.join(self.to_targets, frames.TARGET_LIKES)
        self.to_targets = []
        parts = dict(split(likes, "target_id", self.settings.partitions))
        # A partition with nothing to read still needs to hear how far event time is.
        wanted = range(self.settings.partitions) if to_all else sorted(parts)
        lineage = self._lineage("actor-targets", offset)
        return [
            output
            for p in wanted
            for output in to_outputs(Frame("target-likes", parts.get(p, _EMPTY_TARGETS), lineage), FRAMES_BY_TARGET, p)
        ]

    def snapshot(self) -> Arrays:
        return {
            **self.windows.snapshot("windows"),
            **self.habits.snapshot("habits"),
            **self.names.snapshot(),
            **pack_blobs("to_targets", [frames.encode(b) for b in self.to_targets]),
            "baseline": self.baseline.histogram.copy(),
            "watermark": self.watermark.snapshot(),
            "marks": self.marks.copy(),
            "ticked_ms": np.array([self.ticked_ms]),
        }

    def restore(self, arrays: Arrays) -> None:
        self.windows.restore("windows", arrays)
        self.habits.restore("habits", arrays)
        self.names.restore(arrays)
        self.to_targets = [frames.decode(b) for b in unpack_blobs("to_targets", arrays)]
        self.baseline.histogram = arrays["baseline"].copy()
        self.watermark.restore(arrays["watermark"])
        self.marks = arrays["marks"].copy()
        self.ticked_ms = int(arrays["ticked_ms"][0])


def _by_window(
    windows: npt.NDArray[np.int64], actors: npt.NDArray[np.uint64]
) -> list[tuple[int, npt.NDArray[np.uint64]]]:
    return [(int(w), actors[windows == w]) for w in np.unique(windows)]


_EMPTY_TARGETS = frames.join([], frames.TARGET_LIKES)
