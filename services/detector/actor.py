"""Stage detector/actor: hands likes on at once, and, as event time passes them, what their actor was doing then."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from services.detector.forgetting import pass_on, users
from services.detector.keyed import Strangers24h, by_key, key_hash
from services.detector.pace import Pace
from services.detector.settings import Judgement
from services.detector.signals import SIGNALS, observe
from services.detector.signals.rows import RECENT, rows_of
from services.detector.signals.signal import SCALES
from services.detector.windows import beyond, tumbling
from shared import frames, schemas
from shared.checkpoints import Arrays, pack_blobs, unpack_blobs
from shared.events import UNLIKE
from shared.frames import Frame, Lineage, Output, to_outputs
from shared.hashing import U64, hash_strings, hashes
from shared.reorder_buffer import ReorderBuffer
from shared.slots import SlotTable
from shared.topics import EVIDENCE_BY_ACTOR, FRAMES_BY_TARGET
from shared.watermark import UNKNOWN, Watermark

# Between two moments whose likes are passed on because many wait.
STEP_MS: Final = 1_000
KEYED_ROWS: Final = 4096
_SCALES: Final = np.array(SCALES, np.int64)
_COLUMNS: Final = {
    "first_seen": np.int64,
    "likes": np.int64,
    # When the third like came: up to a day after a like, whose actor is a stranger is open.
    "third_at": np.int64,
    "window": (np.int64, len(SCALES)),
    "current": (np.int32, len(SCALES)),
    "previous": (np.int32, len(SCALES)),
}


@njit(cache=True)
def _count(
    slots: Any, new: Any, times: Any, unlike: Any, scales: Any, first_seen: Any, likes: Any, third_at: Any,
    window: Any, current: Any, previous: Any, seen_out: Any, likes_out: Any, recent_out: Any,
) -> None:  # fmt: skip
    for i in range(len(slots)):
        slot, time = slots[i], times[i]
        if new[i]:
            first_seen[slot] = time
        given = 0 if unlike[i] else 1
        likes[slot] += given
        if given and likes[slot] == 3:
            third_at[slot] = time
        seen_out[i], likes_out[i] = first_seen[slot], likes[slot]
        for s in range(len(scales)):
            here = time // scales[s]
            if here > window[slot, s]:
                previous[slot, s] = current[slot, s] if here == window[slot, s] + 1 else 0
                current[slot, s] = 0
                window[slot, s] = here
            current[slot, s] += given
            recent_out[i, s] = current[slot, s] + previous[slot, s]


class ActorTask:
    """State of one partition: what each actor has done lately, and the signals that follow from it alone."""

    def __init__(self, partition: int, settings: Judgement) -> None:
        self.partition = partition
        self.settings = settings
        self.counters = {"likes": 0, "repeated_likes": 0, "late_likes": 0, "findings": 0}
        self.watermark = Watermark(settings.partitions)
        self.marks = np.full(settings.partitions, -1, np.int64)
        self.actors = SlotTable(_COLUMNS, settings.max_actors)
        self.signals = [new(settings.max_actors) for new in SIGNALS if new.key == "actor"]
        self.pending = ReorderBuffer(schemas.KEYED_LIKES, ("occurred_at", "actor", "target", "unlike"))
        self.strangers = Strangers24h(settings.max_actors)
        self.queued: list[pa.RecordBatch] = []
        # How far events are passed.
        self.passed_ms = UNKNOWN
        self.pace = Pace()

    def process(self, frame: Frame, offset: int) -> list[Output]:
        """One frame of likes by actor: the likes themselves at once, findings and keyed likes as event time passes.
        Or a request to forget users.
        """
        if frame.kind == schemas.FORGET:
            self.forget(users(frame))
            targets = [(FRAMES_BY_TARGET, p) for p in range(self.settings.partitions)]
            return pass_on(frame, "actor", self.partition, offset, [(EVIDENCE_BY_ACTOR, self.partition), *targets])
        likes = self._new_and_in_time(frame.batch)
        clock_ms = frames.NO_CLOCK
        if frame.progress is not None:
            self.watermark.follow(frame.progress, self.settings.lateness_ms)
            clock_ms = frame.progress.clock_ms
        outputs = []
        if likes.num_rows:
            window = tumbling(likes.column("occurred_at").to_numpy(), self.settings.window_ms)
            judged = pa.RecordBatch.from_arrays([*likes.columns, pa.array(window)], schema=schemas.JUDGED_LIKES)
            lineage = Lineage("actor-likes", self.partition, offset, UNKNOWN)
            outputs += to_outputs(Frame("likes", judged, lineage), EVIDENCE_BY_ACTOR, self.partition)
            self.pending.add(_keyed(likes))
        now = self.watermark.now
        tick_at = self.pace.next(now, clock_ms)
        many = now >= self.passed_ms + STEP_MS and self.pending.rows >= KEYED_ROWS
        if many or tick_at is not None:
            self.passed_ms = now if many else max(self.passed_ms, tick_at or 0)
            findings = self._pass(self.passed_ms)
            outputs += self._tell(findings, offset, tick_at is not None)
            if tick_at is not None:
                self.pace.told(self.passed_ms, clock_ms)
        return outputs

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

    def _pass(self, now: int) -> pa.RecordBatch:
        """Count the likes that event time has passed, queue them for the stages after, and ask the signals."""
        likes = self._counted(self.pending.take(now))
        found = observe(self.signals, rows_of(likes), now)
        self.counters["findings"] += found.num_rows
        self.queued.append(by_key(likes))
        # Watched first: what is a day old already must not come later than this watermark says.
        self.strangers.watch(likes)
        settled = self.strangers.settled(now, self.actors)
        if settled.num_rows:
            self.queued.append(settled)
        self._forget_old(beyond(self.settings.horizon_ms, now))
        return found

    def _counted(self, likes: pa.RecordBatch) -> pa.RecordBatch:
        times, actors = likes.column("occurred_at").to_numpy(), likes.column("actor").to_numpy()
        unlike = likes.column("unlike").to_numpy(zero_copy_only=False)
        slots, new = self.actors.insert(actors)
        n, t = len(slots), self.actors
        seen, count, recent = np.empty(n, np.int64), np.empty(n, np.int64), np.empty((n, len(SCALES)), np.int32)
        columns = [t[name] for name in _COLUMNS]
        _count(slots, new, times, unlike, _SCALES, *columns, seen, count, recent)
        np.maximum.at(t["touched"], slots, times)
        counted: dict[str, npt.NDArray[Any]] = {"first_seen": seen, "actor_likes": count}
        counted |= {name: recent[:, i] for i, name in enumerate(RECENT)}
        arrays = [pa.array(counted[f.name]) if f.name in counted else likes.column(f.name) for f in schemas.KEYED_LIKES]
        return pa.RecordBatch.from_arrays(arrays, schema=schemas.KEYED_LIKES)

    def _forget_old(self, before_ms: int) -> None:
        if self.actors.expire_once(before_ms):
            for signal in self.signals:
                signal.expire(before_ms)

    def _tell(self, found: pa.RecordBatch, offset: int, tick: bool) -> list[Output]:
        """Findings and keyed likes, and to everybody how far event time is."""
        outputs = []
        if found.num_rows or tick:
            lineage = Lineage("actor-findings", self.partition, offset, self.passed_ms)
            outputs += to_outputs(Frame("findings", found, lineage), EVIDENCE_BY_ACTOR, self.partition)
        if tick or sum(b.num_rows for b in self.queued) >= KEYED_ROWS:
            likes = frames.join(self.queued, schemas.KEYED_LIKES)
            self.queued = []
            lineage = Lineage("actor-keyed", self.partition, offset, self.passed_ms)
            owner = key_hash(likes) % self.settings.partitions
            for p, part in enumerate(frames.by_owner(likes, owner, self.settings.partitions)):
                outputs += to_outputs(Frame("likes", part, lineage), FRAMES_BY_TARGET, p)
        return outputs

    def forget(self, actors: U64) -> None:
        """Forget these actors; see `services.detector.forgetting`."""
        for signal in self.signals:
            signal.forget(actors)
        self.actors.drop(actors)
        self.strangers.forget(actors)
        self.pending.keep(lambda b: ~np.isin(b.column("actor").to_numpy(), actors))
        self.queued = [b.filter(pa.array(~np.isin(b.column("actor").to_numpy(), actors))) for b in self.queued]

    def snapshot(self) -> Arrays:
        arrays: dict[str, Any] = {**self.actors.snapshot("actors"), **self.pending.snapshot("pending")}
        arrays |= self.strangers.snapshot()
        for signal in self.signals:
            arrays |= {f"{signal.name}/{name}": value for name, value in signal.snapshot().items()}
        arrays |= pack_blobs("queued", [frames.encode(b) for b in self.queued])
        return {
            **arrays,
            "watermark": self.watermark.snapshot(),
            "marks": self.marks.copy(),
            "passed_ms": np.array([self.passed_ms, self.pace.told_ms, self.pace.told_at_ms]),
        }

    def restore(self, arrays: Arrays) -> None:
        self.actors.restore("actors", arrays)
        self.pending.restore("pending", arrays)
        self.strangers.restore(arrays)
        for signal in self.signals:
            prefix = f"{signal.name}/"
            signal.restore({n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)})
        self.queued = [frames.decode(b) for b in unpack_blobs("queued", arrays)]
        self.watermark.restore(arrays["watermark"])
        self.marks = arrays["marks"].copy()
        # Snapshots of before have no clock.
        self.passed_ms, told_ms, *told_at_ms = arrays["passed_ms"].tolist()
        self.pace.told(told_ms, *told_at_ms or [UNKNOWN])


def _keyed(likes: pa.RecordBatch) -> pa.RecordBatch:
    """Ids as hashes; what is counted comes when event time passes."""
    n = likes.num_rows
    unknown = pa.array(np.zeros(n, np.int64))
    columns = [
        pa.array(np.zeros(n, np.int8)),
        likes.column("occurred_at"),
        pa.array(hash_strings(likes.column("actor_id"))),
        pa.array(hash_strings(likes.column("target_id"))),
        pa.array(hashes(likes.column("creator_id"))),
        pa.array(hashes(likes.column("origin_hash"))),
        pa.array(likes.column("action").to_numpy() == UNLIKE),
        likes.column("actor_created_at").fill_null(UNKNOWN),
        unknown,
        unknown,
        *(pa.array(np.zeros(n, np.int32)) for _ in RECENT),
        pa.array(np.zeros(n, np.bool_)),
        likes.column("actor_id"),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schemas.KEYED_LIKES)
