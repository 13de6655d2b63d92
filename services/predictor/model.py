"""Co-preference from trusted likes: learns one at a time, predicts the next ones, and is scored before it learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.predictor import ranking
from services.predictor.ranking import HISTORY, NEIGHBOURS, TOP
from shared.checkpoints import Arrays

I64 = npt.NDArray[np.int64]

VERSION: Final = "co-preference-1"
REMEMBERED: Final = 128
POPULAR: Final = 40
_NO_ITEM: Final = -1
_RAGGED: Final = ("history", "held", "when")


class Index:
    """Dense numbers for ids, in order of first sight."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.numbers: dict[str, int] = {}

    def of(self, column: pa.Array) -> I64:
        """The number of each id, shape (n,); the table grows with new ids."""
        encoded = column.dictionary_encode()
        table = np.empty(len(encoded.dictionary), np.int64)
        for i, identifier in enumerate(encoded.dictionary.to_pylist()):
            number = self.numbers.get(identifier)
            if number is None:
                number = self.numbers[identifier] = len(self.ids)
                self.ids.append(identifier)
            table[i] = number
        return table[encoded.indices.to_numpy()]

    def names(self, numbers: I64) -> list[str]:
        """The ids of numbers, shape (n,)."""
        return list(map(self.ids.__getitem__, numbers.tolist()))

    def restore(self, ids: list[str]) -> None:
        self.ids = ids
        self.numbers = {identifier: i for i, identifier in enumerate(ids)}


@dataclass(frozen=True)
class Scored:
    """For each like with a history before it: place in the ranking just before it (0 = not in the TOP)."""

    ranks: npt.NDArray[np.int64]
    surprise_bits: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """A user's next likes, likeliest first; `CoPreference.probabilities` has those of the places."""

    user_id: str
    items: list[str]


class CoPreference:
    """The model and its prequential record. State is arrays that grow by doubling with users and items: bounded
    per user (REMEMBERED likes) and per item (NEIGHBOURS), not yet in their number.
    """

    def __init__(self) -> None:
        self.users, self.items = Index(), Index()
        self._allocate(1024, 1024)
        # How often the like was at each place (0 = not in the TOP): what the probabilities come from.
        self.at_rank = np.zeros(TOP + 1)
        self.scored = 0
        self.surprise_sum = 0.0
        self.reciprocal_sum = 0.0

    def _allocate(self, users: int, items: int) -> None:
        self.history = np.full((users, REMEMBERED), _NO_ITEM, np.int32)
        self.held = np.zeros((users, REMEMBERED), np.float32)
        self.when = np.zeros((users, REMEMBERED), np.int64)
        self.lengths = np.zeros(users, np.int64)
        self.neighbours = np.zeros((items, NEIGHBOURS), np.int32)
        self.weights = np.zeros((items, NEIGHBOURS), np.float32)
        self.totals = np.zeros(items)
        self._work(items)

    def _work(self, items: int) -> None:
        self._scratch = np.zeros(items)
        self._touched = np.empty(HISTORY * NEIGHBOURS + POPULAR, np.int64)

    def _grow(self) -> None:
        for names, needed in (
            (("history", "held", "when", "lengths"), len(self.users.ids)),
            (("neighbours", "weights", "totals"), len(self.items.ids)),
        ):
            size = len(getattr(self, names[-1]))
            if needed <= size:
                continue
            larger = max(needed, size * 2)
            for name in names:
                old = getattr(self, name)
                new = np.zeros((larger, *old.shape[1:]), old.dtype)
                if name == "history":
                    new[:] = _NO_ITEM
                new[:size] = old
                setattr(self, name, new)
        if len(self._scratch) < len(self.totals):
            self._work(len(self.totals))

    def _popular(self) -> I64:
        count = len(self.items.ids)
        totals = self.totals[:count]
        best = np.argpartition(-totals, min(POPULAR, count) - 1)[:POPULAR] if count else np.zeros(0, np.int64)
        best = best[np.lexsort((best, -totals[best]))]
        return np.where(totals[best] > 0, best, _NO_ITEM).astype(np.int64)

    def score_and_learn(self, users: pa.Array, items: pa.Array, times: I64, trust: npt.NDArray[Any]) -> Scored:
        """Score each like against the state just before it, then learn it. Log order; shapes (n,)."""
        u, i = self.users.of(users), self.items.of(items)
        self._grow()
        n = len(u)
        ranks, known = np.empty(n, np.int64), np.empty(n, np.bool_)
        # Trending is brought up to date every so many likes of the log, wherever frames were cut.
        start = 0
        while start < n:
            stop = min(n, start + self._until_refresh())
            part = slice(start, stop)
            ranking.score_and_learn(
                u[part],
                i[part],
                trust[part].astype(np.float64),
                self.history,
                self.held,
                self.when,
                self.lengths,
                times[part],
                self.neighbours,
                self.weights,
                self.totals,
                self._trending,
                self._scratch,
                self._touched,
                ranks[part],
                known[part],
            )
            self._learnt += stop - start
            start = stop
        # How many items there were to choose from when each like came.
        choices = np.maximum.accumulate(np.r_[self._choices, i + 1])[1:]
        self._choices = int(choices[-1])
        scored = known & (trust > 0)
        return self._record(ranks[scored], choices[scored])

    _learnt = 0
    _choices = 0
    _trending: I64 = np.zeros(0, np.int64)
    _REFRESH: Final = 256

    def _until_refresh(self) -> int:
        done = self._learnt % self._REFRESH
        if done == 0:
            self._trending = self._popular()
        return self._REFRESH - done

    def _record(self, ranks: I64, choices: I64) -> Scored:
        # One like at a time would use the record up to it; cumulative sums give the same, a frame at once.
        hot = np.zeros((len(ranks), TOP + 1))
        hot[np.arange(len(ranks)), ranks] = 1
        before = self.at_rank + np.cumsum(hot, axis=0) - hot
        mine = before[np.arange(len(ranks)), ranks]
        seen = self.scored + np.arange(len(ranks))
        probability = (mine + 0.5) / (seen + 0.5 * (TOP + 1)) / np.where(ranks == 0, np.maximum(choices - TOP, 1), 1)
        bits = -np.log2(probability)
        self.at_rank += hot.sum(axis=0)
        self.scored += len(ranks)
        self.surprise_sum += float(bits.sum())
        self.reciprocal_sum += float((1.0 / ranks[ranks > 0]).sum())
        return Scored(ranks, bits)

    def reweigh(self, users: pa.Array, items: pa.Array, times: I64, trust: npt.NDArray[Any]) -> int:
        """Give likes learnt before another trust (0 unlearns them). Returns how many are no longer held."""
        u, i = self.users.of(users), self.items.of(items)
        self._grow()
        return ranking.reweigh(
            u,
            i,
            times,
            trust.astype(np.float64),
            self.history,
            self.held,
            self.when,
            self.lengths,
            self.neighbours,
            self.weights,
            self.totals,
        )

    def probabilities(self) -> list[float]:
        """The probability of each place in a ranking: how often, so far, the next like was at that place."""
        return [round(p, 5) for p in ((self.at_rank[1:] + 0.5) / (self.scored + 0.5 * (TOP + 1))).tolist()]

    def predict(self, users: pa.Array) -> list[Prediction]:
        """The TOP next likes of each of these users."""
        numbers = np.unique(self.users.of(users))
        self._grow()
        n = len(numbers)
        tops, scores, filled = np.zeros((n, TOP), np.int64), np.zeros((n, TOP)), np.zeros(n, np.int64)
        ranking.rank_many(
            numbers,
            self.history,
            self.held,
            self.lengths,
            self.neighbours,
            self.weights,
            self.totals,
            self._popular(),
            self._scratch,
            self._touched,
            tops,
            scores,
            filled,
        )
        kept = np.arange(TOP) < filled[:, None]
        names = self.items.names(tops[kept])
        ends = np.cumsum(filled).tolist()
        return [
            Prediction(self.users.ids[user], names[end - size : end])
            for user, end, size in zip(numbers.tolist(), ends, filled.tolist(), strict=True)
        ]

    def neighbours_of(self, item_id: str, most: int = TOP) -> list[tuple[str, float]]:
        """An item's closest neighbours and the weight of their pairs."""
        number = self.items.numbers.get(item_id)
        if number is None:
            return []
        order = np.argsort(-self.weights[number], kind="stable")[:most]
        return [
            (self.items.ids[self.neighbours[number, k]], float(self.weights[number, k]))
            for k in order.tolist()
            if self.weights[number, k] > 0
        ]

    def report(self) -> dict[str, float]:
        """Prequential figures so far (keys of `truelike predict --report`)."""
        scored = max(self.scored, 1)
        predicted = (self.at_rank[1:]).sum()
        return {
            "predictions": self.scored,
            "hr@10": float(self.at_rank[1:11].sum() / scored),
            "hr@20": float(predicted / scored),
            "mrr@20": self.reciprocal_sum / scored,
            "surprise_bits": self.surprise_sum / scored,
        }

    def snapshot(self) -> Arrays:
        users, items = len(self.users.ids), len(self.items.ids)
        in_use = np.arange(REMEMBERED) < self.lengths[:users, None]
        return {
            "user_ids": _pack(self.users.ids),
            "item_ids": _pack(self.items.ids),
            # Most users have few likes: only the part of each history that is in use.
            **{name: getattr(self, name)[:users][in_use] for name in _RAGGED},
            "lengths": self.lengths[:users].copy(),
            **{name: getattr(self, name)[:items].copy() for name in ("neighbours", "weights", "totals")},
            "at_rank": self.at_rank.copy(),
            "trending": self._trending.copy(),
            "sums": np.array([self.scored, self.surprise_sum, self.reciprocal_sum, self._learnt, self._choices]),
        }

    def restore(self, arrays: Arrays) -> None:
        self.users.restore(_unpack(arrays["user_ids"]))
        self.items.restore(_unpack(arrays["item_ids"]))
        self._allocate(max(len(self.users.ids), 1024), max(len(self.items.ids), 1024))
        for name in ("lengths", "neighbours", "weights", "totals"):
            getattr(self, name)[: len(arrays[name])] = arrays[name]
        in_use = np.arange(REMEMBERED) < self.lengths[:, None]
        for name in _RAGGED:
            getattr(self, name)[in_use] = arrays[name]
        self.at_rank, self._trending = arrays["at_rank"].copy(), arrays["trending"].copy()
        scored, self.surprise_sum, self.reciprocal_sum, learnt, choices = arrays["sums"].tolist()
        self.scored, self._learnt, self._choices = int(scored), int(learnt), int(choices)


def _pack(ids: list[str]) -> npt.NDArray[np.uint8]:
    return np.frombuffer("\x00".join(i.replace("\x00", "\ufffd") for i in ids).encode(), np.uint8)


def _unpack(packed: npt.NDArray[Any]) -> list[str]:
    return packed.tobytes().decode().split("\x00") if len(packed) else []
