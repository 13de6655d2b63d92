"""Likes through a fresh detector, in the order in which they came, and what each then counts for.

Frames are built from columns; ingest's checks and its duplicates are not part of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.ingest.framing import FrameBuilder
from shared import frames, schemas
from shared.contract.times import LATEST_MS
from shared.events import ACTIONS, UNLIKE
from shared.frames import Output, Progress, from_message
from shared.labels import HUMAN, trust
from shared.topics import TRUSTED_LIKES
from truelike.evaluation.columns import I64, Bools, Likes

F64 = npt.NDArray[np.float64]

FRAME_ROWS: Final = 4096
# Of so many likes a partition holds what is retained for corrections, with room for what lies aside.
LIKES_A_PARTITION: Final = 250_000


@dataclass(frozen=True)
class Judged:
    """What became of likes, shape (n,), by their place in the order in which they came.

    `probability` that a person gave it, and `label`, as last published. `weight_at` has shape (moments, sampled):
    what a sampled like counted for at its moments, 1 where it was not published yet, NaN where the stream ended before.
    """

    probability: F64
    label: npt.NDArray[np.int8]
    weight_at: F64
    seconds: float


class Weights:
    """What each of n likes counts for, as last published."""

    def __init__(self, count: int) -> None:
        self.probability = np.ones(count)
        self.label = np.full(count, HUMAN, np.int8)

    def take(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if output.topic == TRUSTED_LIKES:
                batch = from_message(output.value, output.headers).batch
                # Event ids are places in the order.
                at = pc.cast(batch.column("event_id"), pa.int64()).to_numpy()
                self.probability[at] = batch.column("human_probability").to_numpy()
                self.label[at] = batch.column("label").to_numpy()

    def of(self, rows: I64) -> F64:
        """What these likes may teach."""
        return trust(self.probability[rows], self.label[rows])


def settings_for(count: int, window_ms: int) -> Judgement:
    return Judgement(max(1, -(-count // LIKES_A_PARTITION)), window_ms)


def judge(likes: Likes, settings: Judgement, sampled: I64, delays: tuple[int, ...], rows: int = FRAME_ROWS) -> Judged:
    """All likes (in the order in which they came) through a fresh detector, `rows` at a time. It is asked what the
    `sampled` ones (rows) count for once event time has passed them by each of `delays` (ms).
    """
    detector, builder = Detector(settings), FrameBuilder(settings.partitions, rows)
    weights, seconds = Weights(len(likes)), 0.0
    weight_at = np.full((len(delays), len(sampled)), np.nan)
    batch = as_batch(likes)
    reached = np.maximum.accumulate(likes.occurred_at) if len(likes) else likes.occurred_at

    def feed(first: int, stop: int, watermark: int) -> None:
        nonlocal seconds
        builder.add(batch.slice(first, stop - first))
        told = Progress(settings.partitions, dict.fromkeys(range(settings.partitions), watermark))
        messages = builder.close(told, always=True)
        began = time.perf_counter()
        outputs = list(detector.feed(messages))
        seconds += time.perf_counter() - began
        weights.take(outputs)

    def feed_until(first: int, stop: int) -> int:
        for begin in range(first, stop, rows):
            end = min(begin + rows, stop)
            feed(begin, end, int(reached[end - 1]))
        return max(first, stop)

    moments = (likes.came_at[sampled][None, :] + np.asarray(delays, np.int64)[:, None]).astype(np.int64)
    done = 0
    for moment in np.unique(moments[moments <= reached[-1]] if len(likes) else moments):
        done = feed_until(done, int(np.searchsorted(likes.came_at, moment, "right")))
        # Event time passes without likes, too, and what is late is counted from it.
        feed(done, done, int(moment) + settings.lateness_ms)
        due = moments == moment
        which = np.nonzero(due)[1]
        weight_at[due] = weights.of(sampled[which])
    feed_until(done, len(likes))
    feed(len(likes), len(likes), LATEST_MS)
    return Judged(weights.probability, weights.label, weight_at, seconds)


def as_batch(likes: Likes) -> pa.RecordBatch:
    """Schema schemas.LIKES; the id of a like is its place in the order."""
    n = len(likes)
    given: dict[str, Any] = {
        "event_id": pc.cast(pa.array(np.arange(n)), pa.string()),
        "occurred_at": pa.array(likes.occurred_at),
        "actor_id": _text(likes.actor),
        "target_id": _text(likes.target),
        "creator_id": _text(likes.creator, empty_is_null=True),
        "origin_hash": _text(likes.origin, empty_is_null=True),
        "action": pa.array(np.where(likes.unlike, UNLIKE, ACTIONS.index("like")).astype(np.int8)),
        "actor_created_at": pa.array(likes.actor_created_at, mask=likes.actor_created_at < 0),
        "sent_at": pa.array(likes.came_at),
        "source_partition": pa.array(np.zeros(n, np.int32)),
        "source_offset": pa.array(np.arange(n)),
    }
    for name in schemas.CODES.keys() & set(schemas.LIKES.names) - given.keys():
        given[name] = pa.array(np.zeros(n, np.int8))
    columns = [given.get(f.name, pa.nulls(n, f.type)).cast(f.type) for f in schemas.LIKES]
    return pa.RecordBatch.from_arrays(columns, schema=schemas.LIKES)


def of_batch(batch: pa.RecordBatch) -> Likes:
    """People's likes of a batch of schema schemas.LIKES."""

    def text(name: str) -> Any:
        return np.asarray(pc.fill_null(batch.column(name), "").to_pylist(), np.str_)

    times = batch.column("occurred_at").to_numpy()
    created = pc.fill_null(batch.column("actor_created_at"), frames.UNKNOWN_TIME).to_numpy()
    unlike: Bools = batch.column("action").to_numpy() == UNLIKE
    return Likes(
        times,
        text("actor_id"),
        text("target_id"),
        text("creator_id"),
        text("origin_hash"),
        created,
        unlike,
        times,
        np.zeros(len(times), np.bool_),
    )


def _text(values: Any, empty_is_null: bool = False) -> pa.Array:
    found = pa.array(values.astype(object), pa.string())
    return pc.if_else(pc.equal(found, ""), None, found) if empty_is_null else found
