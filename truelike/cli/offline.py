"""`truelike detect FILE` and `truelike predict FILE`: the services' own code on a file, with no broker."""

from __future__ import annotations

import time
from typing import IO, Any

import msgspec
import numpy as np

from services.detector.everyone import People
from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.predictor.model import CoPreference
from services.predictor.warm_up import warm_up
from shared import frames, schemas
from shared.events import UNLIKE
from shared.frames import from_message
from shared.topics import CAMPAIGNS, FRAMES_BY_ACTOR, TRUSTED_LIKES, VERDICTS
from truelike.files.offline import OfflineIngest
from truelike.files.reading import Advance
from truelike.files.result import Result
from truelike.files.spool import Spool


def detect(
    spool: Spool,
    settings: Judgement,
    verdicts: IO[bytes],
    campaigns: IO[bytes] | None,
    result: Result,
    advance: Advance,
    everyone: bool = False,
) -> dict[str, Any]:
    """Judge a file's likes; writes verdicts (revisions as they come; with `everyone` also on those whom nothing speaks
    against) and campaigns (as they are in the end) as JSON lines. Returns the detector's counts.
    """
    ingest, detector = OfflineIngest(settings.partitions), Detector(settings)
    began, done = time.perf_counter(), 0
    found: dict[bytes | None, bytes] = {}
    people = People(settings.window_ms)
    for rows, messages in ingest.frames(spool, result):
        for output in detector.feed(messages):
            if output.topic == VERDICTS:
                verdicts.write(output.value + b"\n")
                if everyone:
                    people.leave_out(output.value)
            elif output.topic == TRUSTED_LIKES and everyone:
                people.add(output.value)
            elif output.topic == CAMPAIGNS and not output.tombstone:
                found[output.key] = output.value
        done += rows
        advance(done, spool.rows)
    for verdict in people.verdicts():
        verdicts.write(verdict + b"\n")
    if campaigns is not None:
        # An expired one was one; of those that were merged, the one that took them in is there.
        last = ((value, msgspec.json.decode(value)) for value in found.values())
        campaigns.writelines(
            value + b"\n" for value, said in last if said["merged_into"] is None and not said["withdrawn"]
        )
    seconds = time.perf_counter() - began
    counters = detector.counters()
    result.late = counters["late_likes"]
    return {**counters, "likes_per_second": round(result.accepted / max(seconds, 1e-9))}


def predict(spool: Spool, result: Result, advance: Advance) -> dict[str, Any]:
    """Score and learn a file's likes in order of time, all with full trust. Returns the report."""
    ingest, model = OfflineIngest(1), CoPreference()
    warm_up(twins=False)
    learning, learnt, done = 0.0, 0, 0
    for rows, messages in ingest.frames(spool, result):
        for message in messages:
            if message.topic != FRAMES_BY_ACTOR:
                continue
            likes = from_message(message.value, message.headers).batch
            likes = frames.join([likes], schemas.LIKES)
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
        done += rows
        advance(done, spool.rows)
    counts = {"rows": result.rows, "accepted": result.accepted, "rejected": result.rejections}
    return {
        **counts,
        "duplicates": result.duplicates,
        "ignored": result.ignorations,
        **model.report(),
        "likes_per_second": round(learnt / max(learning, 1e-9)),
    }
