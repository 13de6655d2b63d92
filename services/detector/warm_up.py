"""Compiles the detector's inner loops before the first frame comes, so that no like waits for the compiler."""

from __future__ import annotations

import msgspec

from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.replay.offline import OfflineIngest
from shared.contract.times import EARLIEST_MS


def warm_up() -> None:
    """Two actors in lockstep, so that every path is taken once; the state is thrown away."""
    ingest, detector = OfflineIngest(1), Detector(Judgement(1))
    for turn in range(4):
        likes = [
            {
                "event_id": f"{turn}-{actor}",
                "occurred_at": EARLIEST_MS + 600_000 * turn,
                "actor_id": actor,
                "target_id": f"t{turn}",
            }
            for actor in ("a", "b")
        ]
        list(detector.feed(ingest.take([msgspec.json.encode(like) for like in likes], ["a", "b"])))
    list(detector.feed(ingest.end()))
