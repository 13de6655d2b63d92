"""Compiles the detector's inner loops before the first frame comes, so that no like waits for the compiler."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.replay.offline import OfflineIngest
from shared.contract.times import EARLIEST_MS
from shared.frames import Output
from shared.topics import CAMPAIGNS

CREW: Final = 8
TARGETS: Final = 8
# Among so many others' likes it is no chance that the crew meets.
OTHERS: Final = 5_000
MINUTE_MS: Final = 60_000


def warm_up() -> list[Output]:
    """A campaign, so that every path is taken once; the state is thrown away. Returns what was said of it."""
    ingest, detector = OfflineIngest(1), Detector(Judgement(1))
    others = [_like(n * MINUTE_MS // OTHERS, f"p{n}", f"i{n}") for n in range(OTHERS)]
    # Each liked somebody's work who is in it: a ring as well, behind one address.
    crew = [_like((10 * turn + 1) * MINUTE_MS, f"a{n}", f"t{turn}") for turn in range(TARGETS) for n in range(CREW)]
    churn = [
        {**_like((100 + 10 * turn) * MINUTE_MS, "a0", "t0", f"-{turn}"), "action": ("unlike", "like")[turn % 2]}
        for turn in range(8)
    ]
    likes = others + crew + churn
    messages, keys = [msgspec.json.encode(like) for like in likes], [like["actor_id"] for like in likes]
    said = [*detector.feed(ingest.take(messages, keys)), *detector.feed(ingest.end())]
    return [output for output in said if output.topic == CAMPAIGNS]


def _like(at_ms: int, actor: str, target: str, again: str = "") -> dict[str, Any]:
    return {
        "event_id": f"{actor}-{target}{again}",
        "occurred_at": EARLIEST_MS + at_ms,
        "actor_id": actor,
        "target_id": target,
        "creator_id": target.replace("t", "a"),
        "origin_hash": actor[0],
    }
