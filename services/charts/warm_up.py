"""Compiles what likes go through, before the first one comes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from services.charts.limits import ChartLimits
from services.charts.loop_figures import document_of
from services.charts.periods import DAY_MS
from services.charts.task import ChartsTask
from shared import frames
from shared.contract.times import EARLIEST_MS
from shared.events import ACTIONS
from shared.frames import Frame
from shared.schemas import FORGET, FORGET_REQUESTS, TRUSTED_LIKES


def warm_up() -> None:
    """Likes, a correction, an unlike and a request to forget; the state is thrown away."""
    task = ChartsTask(0, ChartLimits(entries=200_000, likes=1000, segments=2))
    likes = [_like("a", 0), _like("b", 1), _like("a", 40 * DAY_MS)]
    again = [
        _like("a", 0, revision=1, previous_probability=1.0, previous_label=0, human_probability=0.1, label=2),
        _like("b", 40 * DAY_MS, action=ACTIONS.index("unlike")),
    ]
    request = {"user_id": "u", "request_id": "r", "requested_at": EARLIEST_MS}
    for kind, rows, schema in (
        ("trusted-likes", likes, TRUSTED_LIKES),
        ("trusted-likes", again, TRUSTED_LIKES),
        (FORGET, [request], FORGET_REQUESTS),
    ):
        # As they come out of a message: arrays that cannot be written to are another type.
        batch = frames.decode(frames.encode(pa.RecordBatch.from_pylist(rows, schema)))
        task.process(Frame(kind, batch), 0)
        for key in task.changed():
            task.chart(key)
        document_of(task.tallies.state(), task.counts.clock, task.tallies.days)
    task.restore(task.snapshot())


def _like(target: str, after_ms: int, **more: Any) -> dict[str, Any]:
    codes = ("actor_kind", "content_origin", "surface", "signature", "mandate", "user_present", "label", "revision")
    return {
        **dict.fromkeys(codes, 0),
        "event_id": f"{target}{after_ms}",
        "occurred_at": EARLIEST_MS + after_ms,
        "actor_id": "u",
        "target_id": target,
        "creator_id": "c",
        "action": ACTIONS.index("like"),
        "content_language": "en",
        "topic": "t",
        "sent_at": EARLIEST_MS,
        "source_partition": 0,
        "source_offset": 0,
        "window_start": EARLIEST_MS,
        "human_probability": 1.0,
        **more,
    }
