"""Stage predictor: trusted likes in log order, each scored before it is learnt; corrections unlearn."""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.predictor import forecast_frames
from services.predictor.language_floor import Floor, LanguageFloor
from services.predictor.model import NO_FLOOR, CoPreference, Rankings
from services.predictor.prequential import ByGroup, Scored
from services.predictor.ranking import TOP
from services.predictor.twin_forecasts import TwinForecasts
from shared import forgetting
from shared.checkpoints import Arrays, pack, unpack
from shared.events import SURFACES, UNLIKE
from shared.frames import Frame, Output
from shared.hashing import hash_strings
from shared.labels import trust
from shared.languages import UNKNOWN_LANGUAGE, language_of
from shared.schemas import FORGET

I64 = npt.NDArray[np.int64]
NONE: Final = (np.zeros(0, np.int64), np.zeros(0, np.int64))


class PredictorTask:
    """The model with its counters, and since when each user's ranking may differ from the one last published.

    Users fall into shares by the hash of their id, as many as `preferences.v1` has partitions. Every worker learns
    all likes, in one order; it ranks and publishes the users of the shares that it holds.
    """

    FORGOTTEN_REMEMBERED = 100_000

    def __init__(self, shares: int, floor: LanguageFloor | None = None, twins: bool = False) -> None:
        self.shares = shares
        self.model = CoPreference()
        self.twins = TwinForecasts(twins)
        self.floor = floor or LanguageFloor()
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
        self.by_language, self.by_surface = ByGroup(), ByGroup()
        # Each item's language, as a number of by_language; of those without a trusted like it is none.
        self.language_of = np.zeros(1024, np.int64)
        # Items whose neighbours in Redis are older than those here, the longest waiting first.
        self.stale: dict[int, None] = {}
        self.as_of = 0
        # How far event time is in the log, ms: what the likes' slates are waited for.
        self.clock = 0
        # Whether this worker says what it forecast: else nobody needs the frames, nor the twins.
        self.says_forecasts = True
        # By user: the offset of the last frame that changed their likes, their share, and whether not forgotten.
        self.changed_at: I64 = np.zeros(0, np.int64)
        self.share_of: I64 = np.zeros(0, np.int64)
        self.present: npt.NDArray[np.bool_] = np.zeros(0, np.bool_)
        self.forgotten: list[tuple[int, str]] = []
        # Likes that the last request to forget took back.
        self.last_forgotten = 0
        # Users changed by frames since `take_changed`.
        self._recent: list[I64] = []

    def process(self, frame: Frame, offset: int) -> list[Output]:
        if frame.kind == FORGET:
            request = forgetting.of_frame(frame)
            known = self.model.users.find(pa.array(request.user_ids, pa.string()))
            self.present[known[known >= 0]] = False
            self.last_forgotten = self.model.forget(request.user_ids)
            self.twins.forget(request.user_ids)
            self.counters["unlearnt_likes"] += self.last_forgotten
            self.counters["forgotten_users"] += len(request.user_ids)
            self.forgotten += [(offset, user) for user in request.user_ids]
            del self.forgotten[: -self.FORGOTTEN_REMEMBERED]
            said = self.says_forecasts
            return forecast_frames.forgotten(frame, self.shares, offset, self.clock) if said else []
        first, scored, users, items = self._take(frame.batch)
        # A correction of one who was forgotten must not bring them back.
        self._changed(np.unique(users[users >= 0]), offset)
        self.stale.update(dict.fromkeys(np.unique(items[items >= 0]).tolist()))
        self.as_of = max(self.as_of, int(frame.batch.column("occurred_at").to_numpy().max()))
        self.clock = forecast_frames.advanced(self.clock, frame.batch)
        if not self.says_forecasts:
            return []
        trust = trust_of(frame.batch)
        by_twins = self.twins.observe(frame.batch, first, trust)
        rows = forecast_frames.forecast(frame.batch, trust, first, scored, by_twins)
        return forecast_frames.outputs(rows, self.shares, offset, self.clock)

    def _changed(self, users: I64, offset: int) -> None:
        known, count = len(self.share_of), len(self.model.users.ids)
        if count > known:
            new = pa.array(self.model.users.ids[known:], pa.string())
            self.share_of = np.r_[self.share_of, shares_of(new, self.shares)]
            if count > len(self.changed_at):
                self.changed_at = np.pad(self.changed_at, (0, count))
                self.present = np.pad(self.present, (0, count), constant_values=True)
        self.changed_at[users] = offset
        self._recent.append(users)

    def take_changed(self) -> I64:
        """Users changed by frames since the last call."""
        recent, self._recent = self._recent, []
        return np.unique(np.concatenate(recent)) if recent else np.zeros(0, np.int64)

    def of_shares(self, users: I64, marks: dict[int, int]) -> I64:
        """Those of the users that are in one of these shares, were changed after its mark (an offset), and were not
        forgotten since.
        """
        users = users[self.present[users]]
        after = np.full(self.shares, np.iinfo(np.int64).max)
        after[list(marks)] = list(marks.values())
        return users[self.changed_at[users] > after[self.share_of[users]]]

    def changed_after(self, marks: dict[int, int]) -> I64:
        """All users of these shares that were changed after the share's mark."""
        return self.of_shares(np.arange(len(self.share_of)), marks)

    def forgotten_after(self, marks: dict[int, int]) -> list[str]:
        """Users of these shares that were forgotten after the share's mark and have not come back since."""
        found = {user: offset for offset, user in self.forgotten if user not in self.model.users.numbers}
        owners = shares_of(pa.array(list(found), pa.string()), self.shares).tolist()
        rows = zip(found.items(), owners, strict=True)
        return [user for (user, offset), share in rows if share in marks and offset > marks[share]]

    def take_stale_neighbours(self, most: int) -> dict[str, list[tuple[str, float]]]:
        """Neighbours, as they are now, of `most` items whose neighbours have changed, the longest waiting first."""
        refreshed = list(islice(self.stale, most))
        for item in refreshed:
            del self.stale[item]
        return {self.model.items.ids[item]: self.model.neighbours_of(item) for item in refreshed}

    def learn(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Scored | None]:
        """Take corrections in, then score and learn the likes that come for the first time; returns these."""
        first, scored, _, _ = self._take(batch)
        return batch.filter(pa.array(first)), scored

    def _take(self, batch: pa.RecordBatch) -> tuple[npt.NDArray[np.bool_], Scored | None, I64, I64]:
        """`learn`; which rows come for the first time, and the users and items that a batch is about, by number; -1 for
        those that are not known.
        """
        first = pc.is_null(batch.column("previous_probability")).to_numpy(zero_copy_only=False)
        all_first = bool(first.all())
        of_corrections = NONE if all_first else self._correct(batch.filter(pa.array(~first)))
        likes = batch if all_first else batch.filter(pa.array(first))
        self.counters["predictor_likes"] += likes.num_rows
        if not likes.num_rows:
            return first, None, *of_corrections
        numbers = self.model.number(likes.column("actor_id"), likes.column("target_id"))
        scored = self._learn(likes, *numbers)
        users, items = (np.concatenate(parts) for parts in zip(of_corrections, numbers, strict=True))
        return first, scored, users, items

    def _learn(self, likes: pa.RecordBatch, users: I64, items: I64) -> Scored:
        unlike = likes.column("action").to_numpy() == UNLIKE
        taken_back = self.model.taken_back
        times = likes.column("occurred_at").to_numpy()
        trust = trust_of(likes)
        scored = self.model.score_and_learn_numbered(users, items, times, trust, unlike)
        self.counters["learnt_likes"] += int((~unlike).sum())
        self.counters["unlearnt_likes"] += self.model.taken_back - taken_back
        self.counters["scored_likes"] += len(scored.rank)
        self.counters["hits_at_10"] += int(((scored.rank > 0) & (scored.rank <= 10)).sum())
        self.counters["hits_at_20"] += int(((scored.rank > 0) & (scored.rank <= 20)).sum())
        self._observe_groups(likes, items, trust > 0, scored)
        return scored

    def _observe_groups(
        self, likes: pa.RecordBatch, items: I64, trusted: npt.NDArray[np.bool_], scored: Scored
    ) -> None:
        surfaces = likes.column("surface").to_numpy()[scored.at]
        self.by_surface.observe(list(SURFACES), surfaces, scored.rank, scored.surprise_bits)
        spoken = language_of(likes).dictionary_encode()
        names, codes = spoken.dictionary.to_pylist(), spoken.indices.to_numpy()
        self.by_language.observe(names, codes[scored.at], scored.rank, scored.surprise_bits)
        if len(self.model.items.ids) > len(self.language_of):
            self.language_of = np.pad(self.language_of, (0, len(self.model.items.ids)))
        numbers = np.array([self.by_language.number(name) for name in names], np.int64)
        # Else a bot could bring up what it likes by a protected language.
        self.language_of[items[trusted]] = numbers[codes][trusted]

    def ranked(self, users: I64) -> Rankings:
        """Rankings of users by number as they are published: with the floor, which the model's own figures and
        forecasts know nothing of.
        """
        return self.model.ranked(users, floor=self._floor())

    def _floor(self) -> Floor:
        least = self.floor.least(TOP)
        if not least.any():
            return NO_FLOOR
        names = self.by_language.names
        protects = self.floor.protects(names, self.by_language.total[: len(names), 0])
        return Floor(protects[self.language_of[: len(self.model.items.ids)]], least)

    def trending(self) -> dict[str, list[tuple[str, float]]]:
        """What is liked most, by language; under "" of all."""
        found = {"": self.model.most_liked()}
        spoken = self.language_of[: len(self.model.items.ids)]
        for number, name in enumerate(self.by_language.names):
            if (most := self.model.most_liked(among=spoken == number)) and name != UNKNOWN_LANGUAGE:
                found[name] = most
        return found

    def figures(self) -> dict[str, Any]:
        """The prequential figures, of all and by language and surface."""
        return {
            **self.model.report(),
            "by_language": self._by_language(),
            "by_surface": self.by_surface.report(),
        }

    def _by_language(self) -> dict[str, dict[str, float]]:
        """With the share of each one's items that were in a user's TOP (every 16th ranking, without a floor)."""
        items, names = len(self.model.items.ids), self.by_language.names
        spoken, shown = self.language_of[:items], self.model.contest.shown[:items] > 0
        counts = np.bincount(spoken, minlength=len(names))
        covered = np.bincount(spoken, shown, len(names)) / np.maximum(counts, 1)
        coverage = dict(zip(names, covered.tolist(), strict=True))
        return {name: {**row, "coverage": coverage[name]} for name, row in self.by_language.report().items()}

    def _correct(self, corrected: pa.RecordBatch) -> tuple[I64, I64]:
        """Returns the users and items that the corrections are about, by number; -1 for those that are not known."""
        likes = corrected.filter(pa.array(corrected.column("action").to_numpy() != UNLIKE))
        users = self.model.users.find(likes.column("actor_id"))
        items = self.model.items.find(likes.column("target_id"))
        missing = self.model.reweigh(users, items, likes.column("occurred_at").to_numpy(), trust_of(likes))
        self.counters["unlearnt_likes"] += likes.num_rows - missing
        self.counters["no_longer_held_likes"] += missing
        return users, items

    def snapshot(self) -> Arrays:
        return {
            **self.model.snapshot(),
            **self.twins.snapshot(),
            "stale_items": np.array(list(self.stale), np.int64),
            "languages": pack(self.by_language.names),
            "surfaces": pack(self.by_surface.names),
            "by_language": self.by_language.total.copy(),
            "by_surface": self.by_surface.total.copy(),
            "language_of": self.language_of[: len(self.model.items.ids)].copy(),
            "as_of": np.array([self.as_of, self.clock]),
            "changed_at": self.changed_at[: len(self.share_of)].copy(),
            "forgotten": pack([user for _, user in self.forgotten]),
            "forgotten_at": np.array([offset for offset, _ in self.forgotten], np.int64),
        }

    def restore(self, arrays: Arrays) -> None:
        self.model.restore(arrays)
        self.twins.restore(arrays)
        # Snapshots of before have them by name: then all are.
        stale = arrays.get("stale_items", np.arange(len(self.model.items.ids)))
        self.stale = dict.fromkeys(stale.tolist())
        self.by_language.restore(unpack(arrays["languages"]), arrays["by_language"])
        self.by_surface.restore(unpack(arrays["surfaces"]), arrays["by_surface"])
        self.language_of = arrays["language_of"].copy()
        # A snapshot of before has no clock.
        self.as_of, self.clock = (int(time) for time in np.r_[arrays["as_of"], 0][:2])
        self.changed_at = arrays["changed_at"].copy()
        self.share_of = shares_of(pa.array(self.model.users.ids[: len(self.changed_at)], pa.string()), self.shares)
        self.present = np.array([user != "" for user in self.model.users.ids[: len(self.changed_at)]], np.bool_)
        self.forgotten = list(zip(arrays["forgotten_at"].tolist(), unpack(arrays["forgotten"]), strict=True))


def shares_of(users: pa.Array, shares: int) -> I64:
    """The share of each user id, shape (n,)."""
    return (hash_strings(users) % np.uint64(shares)).astype(np.int64)


def trust_of(likes: pa.RecordBatch) -> npt.NDArray[np.float32]:
    """How much each like may teach, shape (n,)."""
    return trust(likes.column("human_probability").to_numpy(), likes.column("label").to_numpy())
