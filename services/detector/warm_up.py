"""Compiles the detector's inner loops before the first frame comes, so that no like waits for the compiler."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from shared.contract.times import EARLIEST_MS, LATEST_MS
from shared.events import ACTIONS
from shared.frames import Frame, Output, Progress, to_outputs
from shared.schemas import LIKES
from shared.topics import CAMPAIGNS, FRAMES_BY_ACTOR

CREW: Final = 8
TARGETS: Final = 8
# Among so many others' likes it is no chance that the crew meets.
OTHERS: Final = 5_000
MINUTE_MS: Final = 60_000


def warm_up() -> list[Output]:
    """A campaign, so that every path is taken once; the state is thrown away. Returns what was said of it."""
    others = [_like(n * MINUTE_MS // OTHERS, f"p{n}", f"i{n}") for n in range(OTHERS)]
    # Each liked somebody's work who is in it: a ring as well, behind one address.
    crew = [_like((10 * turn + 1) * MINUTE_MS, f"a{n}", f"t{turn}") for turn in range(TARGETS) for n in range(CREW)]
    churn = [_like((100 + 10 * turn) * MINUTE_MS, "a0", "t0", ("unlike", "like")[turn % 2]) for turn in range(8)]
    likes = pa.RecordBatch.from_pylist(others + crew + churn, schema=LIKES)
    latest = likes.column("occurred_at")[-1].as_py()
    detector = Detector(Judgement(1))
    frames = [
        Frame("likes", likes, progress=Progress(1, {0: latest})),
        Frame("likes", likes.slice(0, 0), progress=Progress(1, {0: LATEST_MS})),
    ]
    said = [o for frame in frames for o in detector.feed(to_outputs(frame, FRAMES_BY_ACTOR, 0))]
    return [output for output in said if output.topic == CAMPAIGNS]


def _like(at_ms: int, actor: str, target: str, action: str = "like") -> dict[str, Any]:
    return {
        "event_id": f"{actor}-{target}-{at_ms}",
        "occurred_at": EARLIEST_MS + at_ms,
        "actor_id": actor,
        "target_id": target,
        "action": ACTIONS.index(action),
        "creator_id": target.replace("t", "a"),
        "actor_kind": 0,
        "content_origin": 0,
        "surface": 0,
        "origin_hash": actor[0],
        "sent_at": EARLIEST_MS,
        "source_partition": 0,
        "source_offset": 0,
    }
