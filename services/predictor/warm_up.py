"""Compiles what likes go through, before the first one comes."""

from __future__ import annotations

import pyarrow as pa

from services.predictor import publishing
from services.predictor.task import PredictorTask
from services.predictor.trending import DAY_MS
from shared import frames
from shared.contract.times import EARLIEST_MS
from shared.events import UNLIKE
from shared.frames import Frame
from shared.schemas import TRUSTED_LIKES


def warm_up(twins: bool = True) -> None:
    """For the types that frames hold, and with `twins` what these go through, too; the state is thrown away."""
    like = {
        "occurred_at": EARLIEST_MS,
        "sent_at": EARLIEST_MS,
        "actor_id": "u",
        "action": 0,
        "surface": 0,
        "human_probability": 1.0,
        "label": 0,
    }
    likes = [{**like, "target_id": target} for target in "aba"]
    correction = {**likes[0], "human_probability": 0.0, "previous_probability": 1.0}
    unlike = {**likes[1], "occurred_at": EARLIEST_MS + DAY_MS, "action": UNLIKE}
    task = PredictorTask(1, twins=twins)
    for rows in (likes, [correction], [unlike]):
        # As they come out of a message: arrays that cannot be written to are another type.
        batch = frames.decode(frames.encode(pa.RecordBatch.from_pylist(rows, schema=TRUSTED_LIKES)))
        task.process(Frame("trusted", batch), 0)
    publishing.warm_up(task.model)
    task.trending()
    task.restore(task.snapshot())
    task.model.forget(["u"])
