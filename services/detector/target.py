"""Stage detector/target: actors that like the same target within moments of each other meet.

At most R(crowd) meetings a like, and with whom is decided by the actors' hashes (consistent sampling, as in
min-hash): in a crowd everybody meets the crowd's lowest-hash members, so the members of a large group that
comes again meet the same few again, and pairs repeat whatever the order they come in. A meeting in a crowd
weighs less, as in FRAUDAR (Hooi et al., KDD 2016): many who like a popular thing in one minute are no group.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.detector.settings import Judgement
from services.detector.windows import UNKNOWN, Watermark, hopping
from services.ingest.framing import split
from shared import frames
from shared.checkpoints import Arrays, pack_blobs, unpack_blobs
from shared.frames import Frame, Lineage, Output, to_outputs
from shared.hashing import hash_strings
from shared.topics import EVIDENCE_BY_ACTOR

MOST_REPRESENTATIVES: Final = 8
PAIRS_PER_CROWD: Final = 256


class TargetTask:
    """State of one partition: the likes whose windows are still open."""

    def __init__(self, partition: int, settings: Judgement) -> None:
        self.partition = partition
        self.settings = settings
        self.counters = {"target_likes": 0, "meetings": 0, "late_target_likes": 0}
        self.watermark = Watermark(settings.partitions)
        self.waiting: list[pa.RecordBatch] = []
        self.closed_ms = UNKNOWN

    def process(self, frame: Frame, offset: int) -> list[Output]:
        """Slim likes by target to meetings by actor, once their windows close."""
        assert frame.lineage is not None
        self.counters["target_likes"] += frame.batch.num_rows
        self._wait(frame.batch)
        self.watermark.advance(frame.lineage.partition, frame.lineage.watermark)
        gap = self.settings.lockstep_gap_ms
        if self.watermark.now < 2 * gap:
            return []
        # Windows are two gaps long and one gap apart: any two likes within a gap share one.
        last_start = (self.watermark.now - 2 * gap) // gap * gap
        if last_start + gap <= self.closed_ms:
            return []
        meetings = self._close(last_start)
        self.counters["meetings"] += meetings.num_rows
        parts = dict(split(meetings, "actor_id", self.settings.partitions))
        lineage = Lineage("target", self.partition, offset, self.closed_ms)
        return [
            output
            for p in range(self.settings.partitions)
            for output in to_outputs(Frame("meetings", parts.get(p, _EMPTY), lineage), EVIDENCE_BY_ACTOR, p)
        ]

    def _wait(self, likes: pa.RecordBatch) -> None:
        in_time = likes.column("occurred_at").to_numpy() >= self.closed_ms
        self.counters["late_target_likes"] += int((~in_time).sum())
        if in_time.any():
            self.waiting.append(likes.filter(pa.array(in_time)))

    def _close(self, last_start: int) -> pa.RecordBatch:
        """Meetings whose earlier like lies in [closed, last_start + gap)."""
        gap = self.settings.lockstep_gap_ms
        waiting = frames.join(self.waiting, frames.TARGET_LIKES)
        previous, self.closed_ms = self.closed_ms, last_start + gap
        if waiting.num_rows == 0:
            return _EMPTY
        times = waiting.column("occurred_at").to_numpy()
        rows, starts = hopping(times, 2 * gap, gap)
        due = (starts <= last_start) & (starts >= previous)
        meetings = find_meetings(waiting, rows[due], starts[due], gap)
        self.waiting = [waiting.filter(pa.array(times >= self.closed_ms))]
        return meetings

    def snapshot(self) -> Arrays:
        return {
            **pack_blobs("waiting", [frames.encode(b) for b in self.waiting]),
            "watermark": self.watermark.snapshot(),
            "closed_ms": np.array([self.closed_ms]),
        }

    def restore(self, arrays: Arrays) -> None:
        self.waiting = [frames.decode(b) for b in unpack_blobs("waiting", arrays)]
        self.watermark.restore(arrays["watermark"])
        self.closed_ms = int(arrays["closed_ms"][0])


def find_meetings(
    likes: pa.RecordBatch, rows: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], gap_ms: int
) -> pa.RecordBatch:
    """Pairs of actors on one target in one window, at most `gap_ms` apart, each in both directions.

    `rows` and `starts` assign likes to windows (see `windows.hopping`). A pair that shares two windows counts
    in the earlier one that holds its earlier like in the first half. Source: module docstring.
    """
    if len(rows) == 0:
        return _EMPTY
    times = likes.column("occurred_at").to_numpy()[rows]
    actors, targets = (hash_strings(likes.column(c))[rows] for c in ("actor_id", "target_id"))
    order = np.lexsort((times, actors, targets, starts))
    rows, starts, times = rows[order], starts[order], times[order]
    actors, targets = actors[order], targets[order]
    same_crowd = np.r_[False, (starts[1:] == starts[:-1]) & (targets[1:] == targets[:-1])]
    first_of_actor = ~(same_crowd & np.r_[False, actors[1:] == actors[:-1]])
    rows, starts, times, same_crowd = (a[first_of_actor] for a in (rows, starts, times, same_crowd))
    crowd = np.cumsum(~same_crowd) - 1
    sizes = np.bincount(crowd)
    begins = np.r_[0, np.cumsum(sizes)[:-1]]
    place = np.arange(len(rows)) - begins[crowd]
    allowed = np.clip(PAIRS_PER_CROWD // sizes, 2, MOST_REPRESENTATIVES)[crowd]
    left, right = [], []
    for representative in range(MOST_REPRESENTATIVES):
        member = np.flatnonzero((place > representative) & (representative < allowed))
        peer = begins[crowd[member]] + representative
        earlier = np.minimum(times[member], times[peer])
        near = np.abs(times[member] - times[peer]) <= gap_ms
        here = near & (earlier < starts[member] + gap_ms)
        left.append(member[here])
        right.append(peer[here])
    a, b = np.concatenate(left), np.concatenate(right)
    mine, theirs = np.r_[a, b], np.r_[b, a]
    weight = (1 / np.log2(np.maximum(sizes, 2)))[crowd[mine]]
    ids = likes.column("actor_id")
    columns = [
        ids.take(pa.array(rows[mine])),
        ids.take(pa.array(rows[theirs])),
        likes.column("target_id").take(pa.array(rows[mine])),
        pa.array(times[mine]),
        pa.array(weight.astype(np.float32)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=frames.MEETINGS)


_EMPTY = frames.join([], frames.MEETINGS)
