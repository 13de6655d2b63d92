"""The documents of a report from likes in files: the detector's, charts' and choice's own code, without a broker."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.charts.chart import SIZE
from services.charts.counts import OF, ChartKey, Counts
from services.charts.limits import ChartLimits
from services.charts.loop_figures import document_of
from services.charts.periods import KEPT_MS, PERIODS, WEEK_MS
from services.charts.saying import documents as said
from services.charts.task import ChartsTask
from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from shared import frames, schemas
from shared.events import ACTIONS
from shared.frames import from_message
from shared.hashing import hash_strings
from shared.labels import LABELS
from shared.topics import TRUSTED_LIKES
from truelike.files.offline import OfflineIngest
from truelike.files.reading import Advance
from truelike.files.result import Result
from truelike.files.spool import Spool
from truelike.report.documents import Document

# Languages that have a chart in the report, those with most likes.
LANGUAGES: Final = 12
LIKE: Final = ACTIONS.index("like")
LEAST_LIKES: Final = 1000
FRAME_ROWS: Final = 4096
PARTITIONS: Final = 4
WINDOW_MS: Final = 300_000


def judged(spool: Spool, result: Result, advance: Advance) -> Iterator[pa.RecordBatch]:
    """Likes as the detector trusts them, and its corrections, in the order in which it says so (schema
    `schemas.TRUSTED_LIKES`).
    """
    ingest, detector, done = OfflineIngest(PARTITIONS), Detector(Judgement(PARTITIONS, WINDOW_MS)), 0
    for rows, messages in ingest.frames(spool, result):
        for output in detector.feed(messages):
            if output.topic == TRUSTED_LIKES:
                yield from_message(output.value, output.headers).batch
        done += rows
        advance(done, spool.rows)
    result.late = detector.counters()["late_likes"]


def latest_judged(spool: Spool, result: Result, advance: Advance) -> pa.RecordBatch:
    """The same, only as they are in the end."""
    return latest(frames.join(list(judged(spool, result, advance)), schemas.TRUSTED_LIKES))


def latest(likes: pa.RecordBatch) -> pa.RecordBatch:
    """The last revision of each event and action, none of them a correction, in order of time."""
    if not likes.num_rows:
        return likes
    key = hash_strings(likes.column("event_id")) * np.uint64(len(ACTIONS)) + likes.column("action").to_numpy().view(
        np.uint8
    )
    order = np.lexsort((likes.column("revision").to_numpy(), key))
    last = order[np.r_[key[order][1:] != key[order][:-1], True]]
    found = pa.Table.from_batches([likes.take(pa.array(np.sort(last)))])
    by = ("occurred_at", "actor_id", "target_id", "action", "event_id")
    found = found.sort_by([(name, "ascending") for name in by])
    for name in ("previous_probability", "previous_label"):
        at = found.schema.get_field_index(name)
        found = found.set_column(at, found.schema.field(at), pa.nulls(found.num_rows, found.schema.field(at).type))
    return frames.join(found.combine_chunks().to_batches(), schemas.TRUSTED_LIKES)


def in_frames(likes: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    return (likes.slice(at, FRAME_ROWS) for at in range(0, likes.num_rows, FRAME_ROWS))


def limits_for(rows: int) -> ChartLimits:
    """Of a file of so many rows: all that a chart may still hold can be corrected. A file's frames are of far more
    event time than a stream's, so that corrections come later.
    """
    return ChartLimits(likes=max(rows, LEAST_LIKES), horizon_ms=max(KEPT_MS) + WEEK_MS)


def counted(batches: Iterable[pa.RecordBatch], rows: int) -> tuple[ChartsTask, pa.RecordBatch]:
    """The charts service's task after these frames of at most so many likes, and all their rows."""
    task, taken = ChartsTask(0, limits_for(rows)), []
    for batch in batches:
        task.take(batch)
        taken.append(batch)
    return task, frames.join(taken, schemas.TRUSTED_LIKES)


def charts_of(task: ChartsTask, offset: int = 0) -> list[Document]:
    """Of `keys_of` (shared.messages.Chart)."""
    return [json.loads(document) for _, document in said(task, keys_of(task.counts), SIZE, offset) if document]


def keys_of(counts: Counts) -> list[ChartKey]:
    """The newest hour, day and week, and the fullest that is kept: a file may end with a single like. Then the
    languages of the fullest week.
    """
    likes = {key: _likes(counts, key) for key in counts.charts()}
    found: list[ChartKey] = []
    for period in PERIODS:
        starts = [key for key in likes if (key.period, key.of, key.facet) == (period, "target", "all")]
        newest = max((key.start for key in starts), default=0)
        fullest = max(starts, key=lambda key: (likes[key], key.start)).start if starts else 0
        for start in dict.fromkeys((newest, fullest)):
            found += [ChartKey(period, start, of) for of in OF]
    spoken = [
        key for key in likes if (key.period, key.of, key.facet, key.start) == ("week", "target", "language", fullest)
    ]
    return found + sorted(spoken, key=lambda key: (-likes[key], key.segment))[:LANGUAGES]


def _likes(counts: Counts, key: ChartKey) -> int:
    found = counts.counted(key)
    return int(found.likes_of.sum()) if found is not None else 0


def loop_of(task: ChartsTask) -> Document:
    """shared.messages.PlatformLoop"""
    found: Document = json.loads(document_of(task.tallies.state(), task.counts.clock, task.tallies.days))
    return found


def labels_of(likes: pa.RecordBatch) -> dict[str, int]:
    """Likes by label; shares, buys and unlikes are none. `likes`: as of `latest`."""
    given: npt.NDArray[Any] = likes.column("label").to_numpy()[likes.column("action").to_numpy() == LIKE]
    return dict(zip(LABELS, np.bincount(given, minlength=len(LABELS)).tolist(), strict=True))
