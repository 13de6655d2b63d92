"""Co-preference from trusted likes: learns one at a time, predicts the next ones, and is scored before it learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.predictor import ranking
from services.predictor.calibration import probabilities_of
from services.predictor.histories import HistoryStore
from services.predictor.ranking import NEIGHBOURS, RANKED_BY, SHRINKAGE, TOP, Lists
from shared.checkpoints import Arrays, pack, unpack

I64 = npt.NDArray[np.int64]

VERSION: Final = "co-preference-2"
TRENDING: Final = 40
TRENDING_EVERY: Final = 1024


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

    def find(self, column: pa.Array) -> I64:
        """The number of each id, shape (n,), -1 where it has none."""
        encoded = column.dictionary_encode()
        table = [self.numbers.get(identifier, -1) for identifier in encoded.dictionary.to_pylist()]
        return np.array(table, np.int64)[encoded.indices.to_numpy()]

    def names(self, numbers: I64) -> list[str]:
        """The ids of numbers, shape (n,)."""
        return list(map(self.ids.__getitem__, numbers.tolist()))

    def forget(self, numbers: list[int]) -> None:
        """These numbers stand for no id any more."""
        for number in numbers:
            del self.numbers[self.ids[number]]
            self.ids[number] = ""

    def restore(self, ids: list[str]) -> None:
        self.ids = ids
        self.numbers = {identifier: i for i, identifier in enumerate(ids) if identifier}


@dataclass(frozen=True)
class Scored:
    """For each like with a history before it: place in the ranking just before it (0 = not in the TOP)."""

    ranks: npt.NDArray[np.int64]
    surprise_bits: npt.NDArray[np.float64]
    # How many likes unlikes took back.
    taken_back: int


@dataclass(frozen=True)
class Prediction:
    """A user's next likes, likeliest first; `CoPreference.probabilities` has those of the places."""

    user_id: str
    items: list[str]
    # For each item the user's own like that speaks most for it; None where it is there for being popular.
    because: list[str | None]


class CoPreference:
    """The model and its prequential record. State is arrays that grow with users and items: bounded per user
    (REMEMBERED likes) and per item (NEIGHBOURS), not yet in their number.
    """

    def __init__(self) -> None:
        self.users, self.items = Index(), Index()
        self.store = HistoryStore()
        self._allocate(1024)
        # How often the like was at each place (0 = not in the TOP): what the probabilities come from.
        self.at_rank = np.zeros(TOP + 1)
        self.scored = 0
        self.surprise_sum = 0.0
        self.reciprocal_sum = 0.0

    def _allocate(self, items: int) -> None:
        self.lists = Lists(
            np.zeros((items, NEIGHBOURS), np.int32),
            np.zeros((items, NEIGHBOURS), np.float32),
            np.zeros(items, np.int64),
            np.zeros(items),
            np.full(items, 1.0 / np.sqrt(SHRINKAGE)),
        )
        self._scratch = np.zeros(items)
        self._touched = np.empty(RANKED_BY * NEIGHBOURS + TRENDING, np.int64)

    def _grow(self) -> None:
        self.store.add_users(len(self.users.ids))
        old, size, needed = self.lists, len(self.lists.total), len(self.items.ids)
        if needed > size:
            self._allocate(max(needed, size * 2))
            for before, now in zip(old, self.lists, strict=True):
                now[:size] = before

    def _most_liked(self) -> I64:
        count = len(self.items.ids)
        totals = self.lists.total[:count]
        best = np.argpartition(-totals, min(TRENDING, count) - 1)[:TRENDING] if count else np.zeros(0, np.int64)
        best = best[np.lexsort((best, -totals[best]))]
        return best[totals[best] > 0].astype(np.int64)

    def score_and_learn(
        self,
        users: pa.Array,
        items: pa.Array,
        times: I64,
        trust: npt.NDArray[Any],
        unlike: npt.NDArray[np.bool_] | None = None,
    ) -> Scored:
        """Score each like against the state just before it, then learn it; an unlike takes back. Log order;
        shapes (n,).
        """
        u, i = self.users.of(users), self.items.of(items)
        self._grow()
        self.store.reserve(u)
        n = len(u)
        ranks, known = np.empty(n, np.int64), np.empty(n, np.bool_)
        unlike = np.zeros(n, np.bool_) if unlike is None else unlike
        taken_back = 0
        # Trending is brought up to date after so many likes of the log, wherever frames were cut.
        start = 0
        while start < n:
            part = slice(start, min(n, start + _until_trending(self._learnt)))
            taken_back += ranking.score_and_learn(
                u[part],
                i[part],
                times[part],
                trust[part].astype(np.float64),
                unlike[part],
                self.store.histories,
                self.lists,
                self._trending,
                self._scratch,
                self._touched,
                ranks[part],
                known[part],
            )
            self._learnt += part.stop - start
            start = part.stop
            if self._learnt % TRENDING_EVERY == 0 or self._learnt.bit_count() == 1:
                self._trending = self._most_liked()
        # How many items there were to choose from when each like came.
        choices = np.maximum.accumulate(np.r_[self._choices, i + 1])[1:]
        self._choices = int(choices[-1])
        scored = known & (trust > 0)
        return self._record(ranks[scored], choices[scored], taken_back)

    _learnt = 0
    _choices = 0
    _trending: I64 = np.zeros(0, np.int64)

    def _record(self, ranks: I64, choices: I64, taken_back: int) -> Scored:
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
        return Scored(ranks, bits, taken_back)

    def reweigh(self, users: pa.Array, items: pa.Array, times: I64, trust: npt.NDArray[Any]) -> int:
        """Give likes learnt before another trust (0 unlearns them). Returns how many are no longer held."""
        u, i = self.users.find(users), self.items.find(items)
        unknown = (u < 0) | (i < 0)
        u, i, times, trust = u[~unknown], i[~unknown], times[~unknown], trust[~unknown]
        together = np.argsort(u, kind="stable")
        weights = trust.astype(np.float64)[together]
        arrays = u[together], i[together], times[together], weights
        return int(unknown.sum()) + ranking.reweigh(*arrays, self.store.histories, self.lists)

    def forget(self, user_ids: list[str]) -> int:
        """Take back all that these users' likes taught, and erase them. Returns how many likes were held."""
        known = [n for i in user_ids if (n := self.users.numbers.get(i)) is not None]
        forgotten = ranking.forget(np.array(known, np.int64), self.store.histories, self.lists)
        self.users.forget(known)
        return forgotten

    def probabilities(self) -> list[float]:
        """The probability of each place in a ranking: how often, so far, the next like was at that place. Strictly
        falling, so that a sorted set keeps the order.
        """
        return [round(p - k * 1e-7, 7) for k, p in enumerate(probabilities_of(self.at_rank).tolist())]

    def ranked(self, numbers: I64) -> tuple[I64, npt.NDArray[np.float64], I64]:
        """The TOP next items of users by number, their scores, and the own like behind each, shapes (n, TOP); -1
        where there is none.
        """
        n = len(numbers)
        tops, scores, filled = np.zeros((n, TOP), np.int64), np.zeros((n, TOP)), np.zeros(n, np.int64)
        because = np.full((n, TOP), -1)
        ranking.rank_many(
            numbers,
            self.store.histories,
            self.lists,
            self._trending if self._learnt >= TRENDING_EVERY else self._most_liked(),
            self._scratch,
            self._touched,
            tops,
            scores,
            filled,
            because,
        )
        tops[np.arange(TOP) >= filled[:, None]] = -1
        return tops, scores, because

    def predict(self, users: pa.Array) -> list[Prediction]:
        """The TOP next likes of each of these users."""
        numbers = np.unique(self.users.of(users))
        self._grow()
        tops, _, because = self.ranked(numbers)
        kept = tops >= 0
        names = self.items.names(tops[kept])
        reasons = [self.items.ids[i] if i >= 0 else None for i in because[kept].tolist()]
        sizes = kept.sum(axis=1)
        ends = np.cumsum(sizes).tolist()
        return [
            Prediction(self.users.ids[user], names[end - size : end], reasons[end - size : end])
            for user, end, size in zip(numbers.tolist(), ends, sizes.tolist(), strict=True)
        ]

    def trending(self) -> list[tuple[str, float]]:
        """The most liked items and the trust of all their likes."""
        best = self._most_liked()[:TOP]
        return list(zip(self.items.names(best), self.lists.total[best].tolist(), strict=True))

    def neighbours_of(self, item_id: str, most: int = TOP) -> list[tuple[str, float]]:
        """An item's closest neighbours and the weight of their pairs."""
        number = self.items.numbers.get(item_id)
        if number is None:
            return []
        used = self.lists.used[number]
        neighbours, weights = self.lists.neighbour[number, :used], self.lists.weight[number, :used]
        order = np.argsort(-weights, kind="stable")[:most]
        return [(self.items.ids[neighbours[k]], float(weights[k])) for k in order.tolist()]

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
        items = len(self.items.ids)
        in_use = np.arange(NEIGHBOURS) < self.lists.used[:items, None]
        return {
            "user_ids": pack(self.users.ids),
            "item_ids": pack(self.items.ids),
            **{f"history.{k}": v for k, v in self.store.snapshot(len(self.users.ids)).items()},
            # Most items have few neighbours: only the places in use.
            "neighbours": self.lists.neighbour[:items][in_use],
            "weights": self.lists.weight[:items][in_use],
            "used": self.lists.used[:items].copy(),
            "totals": self.lists.total[:items].copy(),
            "at_rank": self.at_rank.copy(),
            "trending": self._trending.copy(),
            "sums": np.array([self.scored, self.surprise_sum, self.reciprocal_sum, self._learnt, self._choices]),
        }

    def restore(self, arrays: Arrays) -> None:
        self.users.restore(unpack(arrays["user_ids"]))
        self.items.restore(unpack(arrays["item_ids"]))
        self.store.restore({k.removeprefix("history."): v for k, v in arrays.items() if k.startswith("history.")})
        items = len(self.items.ids)
        self._allocate(max(items, 1024))
        self.lists.used[:items], self.lists.total[:items] = arrays["used"], arrays["totals"]
        self.lists.scale[:items] = 1.0 / np.sqrt(arrays["totals"] + SHRINKAGE)
        in_use = np.arange(NEIGHBOURS) < self.lists.used[:, None]
        self.lists.neighbour[in_use], self.lists.weight[in_use] = arrays["neighbours"], arrays["weights"]
        self.at_rank, self._trending = arrays["at_rank"].copy(), arrays["trending"].copy()
        scored, self.surprise_sum, self.reciprocal_sum, learnt, choices = arrays["sums"].tolist()
        self.scored, self._learnt, self._choices = int(scored), int(learnt), int(choices)


def _until_trending(learnt: int) -> int:
    """Likes until trending is due again: at each power of two, then at each multiple of TRENDING_EVERY."""
    if learnt < TRENDING_EVERY:
        return (1 << learnt.bit_length()) - learnt
    return TRENDING_EVERY - learnt % TRENDING_EVERY
