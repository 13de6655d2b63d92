"""Stage predictor: trusted likes in log order, each scored before it is learnt; corrections unlearn."""

from __future__ import annotations

from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.predictor.model import CoPreference
from services.predictor.publishing import Published
from shared import forgetting
from shared.checkpoints import Arrays, pack, unpack
from shared.events import UNLIKE
from shared.frames import FORGET, Frame, Output
from shared.labels import LABELS


class PredictorTask:
    """The model with its counters. `published` holds what the last frame changed, for the shell to write."""

    NEIGHBOUR_LISTS_A_FRAME = 32
    TRENDING_EVERY_FRAMES = 16

    def __init__(self, partition: int) -> None:
        self.model = CoPreference()
        self.counters = {
            "predictor_likes": 0,
            "scored_likes": 0,
            "learnt_likes": 0,
            "unlearnt_likes": 0,
            "no_longer_held_likes": 0,
            "forgotten_users": 0,
            "hits_at_10": 0,
            "hits_at_20": 0,
        }
        self.published: Published | None = None
        # Items whose neighbours in Redis are older than those here, the longest waiting first.
        self.stale: dict[str, None] = {}
        self.frames = 0

    def process(self, frame: Frame, offset: int) -> list[Output]:
        if frame.kind == FORGET:
            self.published = self._forget(frame, offset)
        else:
            self.published = self._likes(frame, offset)
        return []

    def _forget(self, frame: Frame, offset: int) -> Published:
        request = forgetting.of_frame(frame)
        likes = self.model.forget(request.user_ids)
        self.counters["forgotten_users"] += len(request.user_ids)
        self.counters["unlearnt_likes"] += likes
        return Published(offset, request.requested_at, [], [], forgotten=request, unlearnt=likes)

    def _likes(self, frame: Frame, offset: int) -> Published:
        batch = frame.batch
        first = pc.is_null(batch.column("previous_probability")).to_numpy(zero_copy_only=False)
        corrections = batch.filter(pa.array(~first))
        if corrections.num_rows:
            self._correct(corrections)
        likes = batch.filter(pa.array(first))
        self.counters["predictor_likes"] += likes.num_rows
        if likes.num_rows:
            self._learn(likes)
        times = batch.column("occurred_at").to_numpy()
        self.stale.update(dict.fromkeys(batch.column("target_id").unique().to_pylist()))
        refreshed = list(islice(self.stale, self.NEIGHBOUR_LISTS_A_FRAME))
        for item in refreshed:
            del self.stale[item]
        self.frames += 1
        users = batch.column("actor_id").unique()
        return Published(
            offset,
            int(times.max()),
            # A correction of one who was forgotten must not bring them back.
            self.model.predict(users.filter(pa.array(self.model.users.find(users) >= 0))),
            self.model.probabilities(),
            {item: self.model.neighbours_of(item) for item in refreshed},
            self.model.trending() if self.frames % self.TRENDING_EVERY_FRAMES == 1 else [],
            self.model.report(),
        )

    def _learn(self, likes: pa.RecordBatch) -> None:
        unlike = likes.column("action").to_numpy() == UNLIKE
        scored = self.model.score_and_learn(
            likes.column("actor_id"),
            likes.column("target_id"),
            likes.column("occurred_at").to_numpy(),
            trust_of(likes),
            unlike,
        )
        self.counters["learnt_likes"] += int((~unlike).sum())
        self.counters["unlearnt_likes"] += scored.taken_back
        self.counters["scored_likes"] += len(scored.ranks)
        self.counters["hits_at_10"] += int(((scored.ranks > 0) & (scored.ranks <= 10)).sum())
        self.counters["hits_at_20"] += int((scored.ranks > 0).sum())

    def _correct(self, likes: pa.RecordBatch) -> None:
        likes = likes.filter(pa.array(likes.column("action").to_numpy() != UNLIKE))
        missing = self.model.reweigh(
            likes.column("actor_id"),
            likes.column("target_id"),
            likes.column("occurred_at").to_numpy(),
            trust_of(likes),
        )
        self.counters["unlearnt_likes"] += likes.num_rows - missing
        self.counters["no_longer_held_likes"] += missing

    def snapshot(self) -> Arrays:
        return {**self.model.snapshot(), "stale": pack(list(self.stale)), "frames": np.array([self.frames])}

    def restore(self, arrays: Arrays) -> None:
        self.model.restore(arrays)
        self.stale = dict.fromkeys(unpack(arrays["stale"]))
        self.frames = int(arrays["frames"][0])


def trust_of(likes: pa.RecordBatch) -> npt.NDArray[np.float32]:
    """How much each like may teach, shape (n,): its human probability, nothing where the label is bot or agent."""
    label = likes.column("label").to_numpy()
    teaches = (label != LABELS.index("bot")) & (label != LABELS.index("agent"))
    return np.where(teaches, likes.column("human_probability").to_numpy(), np.float32(0.0))


def warm_up() -> None:
    """Compile the inner loops before the first frame comes; the state is thrown away."""
    model = CoPreference()
    users, items, times = pa.array(["u", "u"]), pa.array(["a", "b"]), np.array([1, 2])
    model.score_and_learn(users, items, times, np.ones(2, np.float32))
    model.reweigh(users, items, times, np.zeros(2, np.float32))
    model.predict(users)
    model.forget(["u"])
