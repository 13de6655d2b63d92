"""`truelike detect FILE` and `truelike predict FILE`: the services' own code on a file, with no broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.predictor.model import CoPreference
from services.predictor.task import warm_up
from services.replay.offline import OfflineIngest
from shared import frames
from shared.events import UNLIKE
from shared.frames import Output, from_message
from shared.topics import CAMPAIGNS, FRAMES_BY_ACTOR, VERDICTS

Advance = Callable[[int], None]


def detect(
    path: Path,
    settings: Judgement,
    verdicts: IO[bytes],
    campaigns: IO[bytes] | None,
    mapping: Mapping[str, str],
    advance: Advance,
) -> dict[str, Any]:
    """Judge a file's likes; writes verdicts and campaigns as JSON lines. Returns counts."""
    ingest, detector = OfflineIngest(settings.partitions), Detector(settings)
    began = time.perf_counter()

    def write(outputs: Iterable[Output]) -> None:
        for output in outputs:
            if output.topic == VERDICTS:
                verdicts.write(output.value + b"\n")
            elif output.topic == CAMPAIGNS and campaigns is not None:
                campaigns.write(output.value + b"\n")

    for rows, messages in ingest.frames(path, mapping):
        write(detector.feed(messages))
        advance(rows)
    write(detector.finish())
    seconds = time.perf_counter() - began
    counters = {**ingest.counters(), **detector.counters()}
    return {
        **counters,
        "seconds": round(seconds, 3),
        "likes_per_second": round(counters["accepted"] / max(seconds, 1e-9)),
    }


def predict(path: Path, mapping: Mapping[str, str], advance: Advance) -> dict[str, Any]:
    """Score and learn a file's likes in file order, all with full trust. Returns the report."""
    ingest, model = OfflineIngest(1), CoPreference()
    warm_up()
    learning = 0.0
    learnt = 0
    for rows, messages in ingest.frames(path, mapping):
        for message in messages:
            if message.topic != FRAMES_BY_ACTOR:
                continue
            likes = from_message(message.value, message.headers).batch
            likes = frames.join([likes], frames.LIKES)
            if likes.num_rows == 0:
                continue
            began = time.perf_counter()
            model.score_and_learn(
                likes.column("actor_id"),
                likes.column("target_id"),
                likes.column("occurred_at").to_numpy(),
                np.ones(likes.num_rows, np.float32),
                likes.column("action").to_numpy() == UNLIKE,
            )
            learning += time.perf_counter() - began
            learnt += likes.num_rows
        advance(rows)
    return {
        **ingest.counters(),
        **model.report(),
        "likes_per_second": round(learnt / max(learning, 1e-9)),
    }
