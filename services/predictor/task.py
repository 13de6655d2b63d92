"""Stage predictor: trusted likes in log order, each scored before it is learnt; corrections unlearn."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.predictor.model import CoPreference
from services.predictor.prequential import ByGroup, Scored
from services.predictor.publishing import Published
from shared import forgetting
from shared.checkpoints import Arrays, pack, unpack
from shared.events import SURFACES, UNLIKE
from shared.frames import FORGET, Frame, Output
from shared.labels import LABELS


class PredictorTask:
    """The model with its counters. `published` holds what the last frame changed, for the shell to write."""

    NEIGHBOUR_LISTS_A_FRAME = 32
    UNKNOWN_LANGUAGE = "unknown"

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
        self.by_language, self.by_surface = ByGroup(), ByGroup()
        # Each item's language, as a number of by_language.
        self.language_of = np.zeros(1024, np.int64)
        # Items whose neighbours in Redis are older than those here, the longest waiting first.
        self.stale: dict[str, None] = {}

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
        return Published(offset, request.requested_at, forgotten=request, unlearnt=likes)

    def learn(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Scored | None]:
        """Take corrections in, then score and learn the likes that come for the first time; returns these."""
        first = pc.is_null(batch.column("previous_probability")).to_numpy(zero_copy_only=False)
        corrections = batch.filter(pa.array(~first))
        if corrections.num_rows:
            self._correct(corrections)
        likes = batch.filter(pa.array(first))
        self.counters["predictor_likes"] += likes.num_rows
        return likes, self._learn(likes) if likes.num_rows else None

    def _likes(self, frame: Frame, offset: int) -> Published:
        batch = frame.batch
        self.learn(batch)
        times = batch.column("occurred_at").to_numpy()
        self.stale.update(dict.fromkeys(batch.column("target_id").unique().to_pylist()))
        refreshed = list(islice(self.stale, self.NEIGHBOUR_LISTS_A_FRAME))
        for item in refreshed:
            del self.stale[item]
        users = batch.column("actor_id").unique()
        return Published(
            offset,
            int(times.max()),
            # A correction of one who was forgotten must not bring them back.
            self.model.predict(users.filter(pa.array(self.model.users.find(users) >= 0))),
            self.model.probabilities(),
            {item: self.model.neighbours_of(item) for item in refreshed},
        )

    def _learn(self, likes: pa.RecordBatch) -> Scored:
        unlike = likes.column("action").to_numpy() == UNLIKE
        taken_back = self.model.taken_back
        scored = self.model.score_and_learn(
            likes.column("actor_id"),
            likes.column("target_id"),
            likes.column("occurred_at").to_numpy(),
            trust_of(likes),
            unlike,
        )
        self.counters["learnt_likes"] += int((~unlike).sum())
        self.counters["unlearnt_likes"] += self.model.taken_back - taken_back
        self.counters["scored_likes"] += len(scored.rank)
        self.counters["hits_at_10"] += int(((scored.rank > 0) & (scored.rank <= 10)).sum())
        self.counters["hits_at_20"] += int(((scored.rank > 0) & (scored.rank <= 20)).sum())
        self._observe_groups(likes, scored)
        return scored

    def _observe_groups(self, likes: pa.RecordBatch, scored: Scored) -> None:
        surfaces = likes.column("surface").to_numpy()[scored.at]
        self.by_surface.observe(list(SURFACES), surfaces, scored.rank, scored.surprise_bits)
        spoken = language_of(likes).dictionary_encode()
        names, codes = spoken.dictionary.to_pylist(), spoken.indices.to_numpy()
        self.by_language.observe(names, codes[scored.at], scored.rank, scored.surprise_bits)
        items = self.model.items.find(likes.column("target_id"))
        if len(self.model.items.ids) > len(self.language_of):
            self.language_of = np.pad(self.language_of, (0, len(self.model.items.ids)))
        numbers = np.array([self.by_language.number(name) for name in names], np.int64)
        self.language_of[items] = numbers[codes]

    def trending(self) -> dict[str, list[tuple[str, float]]]:
        """What is liked most, by language; under "" of all."""
        found = {"": self.model.most_liked()}
        spoken = self.language_of[: len(self.model.items.ids)]
        for number, name in enumerate(self.by_language.names):
            if (most := self.model.most_liked(among=spoken == number)) and name != self.UNKNOWN_LANGUAGE:
                found[name] = most
        return found

    def figures(self) -> dict[str, Any]:
        """The prequential figures, of all and by language and surface."""
        return {
            **self.model.report(),
            "by_language": self.by_language.report(),
            "by_surface": self.by_surface.report(),
        }

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
        return {
            **self.model.snapshot(),
            "stale": pack(list(self.stale)),
            "languages": pack(self.by_language.names),
            "surfaces": pack(self.by_surface.names),
            "by_language": self.by_language.total.copy(),
            "by_surface": self.by_surface.total.copy(),
            "language_of": self.language_of[: len(self.model.items.ids)].copy(),
        }

    def restore(self, arrays: Arrays) -> None:
        self.model.restore(arrays)
        self.stale = dict.fromkeys(unpack(arrays["stale"]))
        self.by_language.restore(unpack(arrays["languages"]), arrays["by_language"])
        self.by_surface.restore(unpack(arrays["surfaces"]), arrays["by_surface"])
        self.language_of = arrays["language_of"].copy()


def language_of(likes: pa.RecordBatch) -> pa.Array:
    """The language of each like, shape (n,): the content's, else the actor's; the primary subtag of BCP 47."""
    tag = pc.coalesce(likes.column("content_language"), likes.column("actor_locale"), PredictorTask.UNKNOWN_LANGUAGE)
    return pc.utf8_lower(pc.replace_substring_regex(tag, "[-_].*", ""))


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
