"""Made logs of the two topics that the example joins."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from shared.frames import Frame, Lineage, Output, to_output
from tests.joining.shown import EXPOSURE, EXPOSURES, LIKE, LIKES, SOURCES

START_MS = 1_767_225_600_000
# Of one frame: which source sends it, how far it says event time is, and rows (time, actor, target); times in s.
Sent = tuple[int, int, Sequence[tuple[int, int, int]]]


def likes_frame(number: int, sent: Sent, partition: int = 0) -> Output:
    source, watermark, rows = sent
    columns = [
        {
            "event_id": f"{partition}-{number}-{place}",
            "occurred_at": START_MS + 1000 * at,
            "actor_id": f"u{actor}",
            "target_id": f"t{target}",
        }
        for place, (at, actor, target) in enumerate(rows)
    ]
    batch = pa.RecordBatch.from_pylist(columns, LIKE)
    return to_output(Frame("likes", batch, _lineage(number, source, watermark)), LIKES, partition)


def exposures_frame(number: int, sent: Sent, partition: int = 0) -> Output:
    source, watermark, rows = sent
    columns = [{"shown_at": START_MS + 1000 * at, "actor_id": f"u{a}", "target_id": f"t{t}"} for at, a, t in rows]
    batch = pa.RecordBatch.from_pylist(columns, EXPOSURE)
    return to_output(Frame("exposures", batch, _lineage(number, source, watermark)), EXPOSURES, partition)


def last_frames(number: int, partition: int = 0) -> list[Output]:
    """Each source of each topic says that all is over."""
    done = 10**6
    return [
        make(number + source, (source, done, ()), partition)
        for make in (likes_frame, exposures_frame)
        for source in range(SOURCES)
    ]


def _lineage(number: int, source: int, watermark: int) -> Lineage:
    return Lineage("made", source, number, START_MS + 1000 * watermark)
