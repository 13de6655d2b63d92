"""Co-preference from trusted likes: learns one at a time, predicts the next ones, and is scored before it learns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.predictor import candidates, learning, levels, ranking, trending
from services.predictor.calibration import FARTHER, clearness
from services.predictor.forecasts import Shares
from services.predictor.histories import HistoryStore
from services.predictor.language_floor import Floor
from services.predictor.learning import NEIGHBOURS
from services.predictor.prequential import Prequential, Scored, gini
from services.predictor.ranking import LEADER, TOP
from services.predictor.trending import MONTH
from shared.checkpoints import Arrays, pack, under, unpack

I64 = npt.NDArray[np.int64]

VERSION: Final = "co-preference-5"
NO_FLOOR: Final = Floor(np.zeros(0, np.bool_), np.zeros(TOP, np.int64))


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
class Rankings:
    """Rankings of users by number, shape (n,): items `top` by number and the own like `because` of which each is
    there, (n, TOP), -1 for none; `scores`, (n, TOP); how clear each ranking is (`clearness`, (n,)); and `places`, where
    each item stood before there was a floor, (n, TOP), TOP for farther out.
    """

    users: I64
    top: I64
    scores: npt.NDArray[np.float64]
    because: I64
    clearness: I64
    places: I64

    def only(self, rows: npt.NDArray[np.bool_]) -> Rankings:
        """Those of a mask, shape (n,)."""
        return Rankings(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class Prediction:
    """A user's next likes, likeliest first. `CoPreference.probabilities` has those of the places, by clearness."""

    user_id: str
    clearness: int
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
        self.prequential = Prequential()
        self.taken_back = 0
        self.shares = Shares()
        self._choices = 0
        self._allocate(1024)

    def _allocate(self, items: int) -> None:
        self.lists = learning.new_lists(items)
        self.rates = trending.new_rates(items)
        self.contest = ranking.new_contest(items)
        self._work = candidates.new_work_space(items)

    def _grow(self) -> None:
        self.store.add_users(len(self.users.ids))
        lists, rates, contest = self.lists, self.rates, self.contest
        size, needed = len(lists.total), len(self.items.ids)
        if needed > size:
            self._allocate(max(needed, size * 2))
            for before, now in zip(lists[:-1], self.lists[:-1], strict=True):
                now[:size] = before
            self.lists.scale[:, :size] = lists.scale
            self.rates.value[:, :size] = rates.value
            self.rates = rates._replace(value=self.rates.value)
            self.contest.shown[:size] = contest.shown
            self.contest = contest._replace(shown=self.contest.shown)

    def score_and_learn(
        self,
        users: pa.Array,
        items: pa.Array,
        times: I64,
        trust: npt.NDArray[Any],
        unlike: npt.NDArray[np.bool_] | None = None,
    ) -> Scored:
        """Score each like against the state just before it, then learn it; an unlike takes back (`taken_back` adds
        up how many likes). Log order; shapes (n,).
        """
        unlikes = np.zeros(len(users), np.bool_) if unlike is None else unlike
        return self.score_and_learn_numbered(*self.number(users, items), times, trust, unlikes)

    def number(self, users: pa.Array, items: pa.Array) -> tuple[I64, I64]:
        """The numbers of ids, shapes (n,); new ones are taken in."""
        numbers = self.users.of(users), self.items.of(items)
        self._grow()
        return numbers

    def score_and_learn_numbered(
        self, u: I64, i: I64, times: I64, trust: npt.NDArray[Any], unlike: npt.NDArray[np.bool_]
    ) -> Scored:
        """`score_and_learn` of users and items by number."""
        self.store.reserve(u)
        places = ranking.new_places(len(u))
        self.taken_back += ranking.score_and_learn(
            u,
            i,
            times,
            trust.astype(np.float64),
            unlike,
            self.store.histories,
            self.lists,
            self.rates,
            self.contest,
            self._work,
            len(self.items.ids),
            places,
        )
        return self.observe(i, places)

    def observe(self, i: I64, places: ranking.Places) -> Scored:
        """Take likes of items by number, which were scored and learnt, into the record; shapes (n,)."""
        # How many items there were to choose from when each like came.
        known = np.maximum.accumulate(np.r_[self._choices, i + 1])
        choices = known[1:]
        self._choices = int(known[-1])
        return self.prequential.observe(places, self.shares.observe(places, known[:-1], choices > known[:-1]))

    def reweigh(self, u: I64, i: I64, times: I64, trust: npt.NDArray[Any]) -> int:
        """Give likes learnt before another trust (0 unlearns them). Users and items by number, -1 for unknown ones.
        Returns how many are no longer held.
        """
        unknown = (u < 0) | (i < 0)
        u, i, times, trust = u[~unknown], i[~unknown], times[~unknown], trust[~unknown]
        together = np.argsort(u, kind="stable")
        weights = trust.astype(np.float64)[together]
        arrays = u[together], i[together], times[together], weights
        missing = learning.reweigh(*arrays, self.store.histories, self.lists, self.rates)
        return int(unknown.sum()) + missing

    def forget(self, user_ids: list[str]) -> int:
        """Take back all that these users' likes taught, and erase them. Returns how many likes were held."""
        known = [n for i in dict.fromkeys(user_ids) if (n := self.users.numbers.get(i)) is not None]
        forgotten = learning.forget(np.array(known, np.int64), self.store.histories, self.lists, self.rates)
        self.users.forget(known)
        return forgotten

    def probabilities(self) -> list[list[float]]:
        """By clearness, the probability of each place in a ranking: how often, so far, the next like was at that
        place of a ranking as clear. Strictly falling. The last one, after TOP, is of a place of the next TOP: what a
        floor brings up has that at most.
        """
        table, places = self.prequential.calibration.table, np.arange(TOP + 1)
        farther = np.minimum(table[:, TOP] / (FARTHER[0] - TOP), table[:, TOP - 1])
        falling = np.column_stack([table[:, :TOP], farther]) - places * 1e-7
        rows: list[list[float]] = np.maximum(falling, 1e-7 * (TOP + 1 - places) / (TOP + 1)).round(9).tolist()
        return rows

    def ranked(self, users: I64, blend: int | None = None, floor: Floor = NO_FLOOR) -> Rankings:
        """The TOP next items of users by number, brought to a floor. `blend`: default the leading one."""
        n = len(users)
        tops, scores, filled = np.zeros((n, TOP), np.int64), np.zeros((n, TOP)), np.zeros(n, np.int64)
        because, clear, places = np.full((n, TOP), -1), np.zeros(n), np.tile(np.arange(TOP), (n, 1))
        rates = self.rates
        if rates.stale[0]:
            # Of its own: when somebody looks must not show in what is learnt next.
            rates = trending.copy_of_top(rates)
            trending.find_top(rates, len(self.items.ids))
        ranking.rank_many(
            users,
            int(self.contest.state[LEADER]) if blend is None else blend,
            self.store.histories,
            self.lists,
            rates,
            self._work,
            *floor,
            tops,
            scores,
            places,
            filled,
            clear,
            because,
        )
        tops[np.arange(TOP) >= filled[:, None]] = -1
        return Rankings(users, tops, scores, because, clearness(clear), places)

    def predictions(self, rankings: Rankings) -> list[Prediction]:
        """Rankings with ids for numbers."""
        kept = rankings.top >= 0
        names = self.items.names(rankings.top[kept])
        reasons = [self.items.ids[i] if i >= 0 else None for i in rankings.because[kept].tolist()]
        sizes = kept.sum(axis=1)
        rows = zip(
            rankings.users.tolist(), rankings.clearness.tolist(), np.cumsum(sizes).tolist(), sizes.tolist(), strict=True
        )
        return [
            Prediction(self.users.ids[user], clear, names[end - size : end], reasons[end - size : end])
            for user, clear, end, size in rows
        ]

    def predict(self, users: pa.Array) -> list[Prediction]:
        """The TOP next likes of each of these users, new ones too."""
        numbers = np.unique(self.users.of(users))
        self._grow()
        return self.predictions(self.ranked(numbers))

    def most_liked(self, most: int = TOP, among: npt.NDArray[np.bool_] | None = None) -> list[tuple[str, float]]:
        """The items with the highest rate of trusted likes, and that rate (likes a day, half-life of a month as of
        the clock); `among` a mask over the items.
        """
        count = len(self.items.ids)
        rate = self.rates.value[MONTH, :count]
        if among is not None:
            rate = np.where(among[:count], rate, 0.0)
        best = np.argpartition(-rate, min(most, count) - 1)[:most] if count else np.zeros(0, np.int64)
        best = best[np.lexsort((best, -rate[best]))]
        best = best[rate[best] > 0]
        now = trending.decay(self.rates, MONTH) * np.log(2) * trending.DAY_MS / trending.HALF_LIVES_MS[MONTH]
        return list(zip(self.items.names(best), (rate[best] * now).tolist(), strict=True))

    def neighbours_of(self, number: int, most: int = TOP) -> list[tuple[str, float]]:
        """The closest neighbours of an item by number, and the weight of their pairs."""
        used = self.lists.used[number]
        neighbours, weights = self.lists.neighbour[number, :used], self.lists.weight[number, :used]
        order = np.argsort(-weights, kind="stable")[:most]
        return [(self.items.ids[neighbours[k]], float(weights[k])) for k in order.tolist()]

    def report(self) -> dict[str, Any]:
        """Prequential figures so far (keys of `truelike predict --report`)."""
        shown = self.contest.shown[: len(self.items.ids)]
        return {
            **self.prequential.report(),
            "coverage": float((shown > 0).mean()) if len(shown) else 0.0,
            "gini": gini(shown),
            "blend": ranking.BLEND_NAMES[int(self.contest.state[LEADER])],
        }

    def snapshot(self) -> Arrays:
        items = len(self.items.ids)
        in_use = np.arange(NEIGHBOURS) < self.lists.used[:items, None]
        rates = self.rates._asdict()
        return {
            "user_ids": pack(self.users.ids),
            "item_ids": pack(self.items.ids),
            **{f"history.{k}": v for k, v in self.store.snapshot(len(self.users.ids)).items()},
            # Most items have few neighbours: only the places in use.
            "neighbours": self.lists.neighbour[:items][in_use],
            "weights": self.lists.weight[:items][in_use],
            "used": self.lists.used[:items].copy(),
            "totals": self.lists.total[:items].copy(),
            **{f"rates.{k}": (v[:, :items] if k == "value" else v).copy() for k, v in rates.items()},
            "contest.reward": self.contest.reward.copy(),
            "contest.state": self.contest.state.copy(),
            "contest.shown": self.contest.shown[:items].copy(),
            **{f"prequential.{k}": v for k, v in self.prequential.snapshot().items()},
            "counts": np.array([self._choices, self.taken_back]),
            "shares": self.shares.learnt.copy(),
            "shares_by_level": self.shares.by_level.copy(),
        }

    def restore(self, arrays: Arrays) -> None:
        self.users.restore(unpack(arrays["user_ids"]))
        self.items.restore(unpack(arrays["item_ids"]))
        self.store.restore(under("history.", arrays))
        items = len(self.items.ids)
        self._allocate(max(items, 1024))
        self.lists.used[:items], self.lists.total[:items] = arrays["used"], arrays["totals"]
        learning.rescale_first(self.lists, items)
        in_use = np.arange(NEIGHBOURS) < self.lists.used[:, None]
        self.lists.neighbour[in_use], self.lists.weight[in_use] = arrays["neighbours"], arrays["weights"]
        for kept, saved in ((self.rates._asdict(), "rates."), (self.contest._asdict(), "contest.")):
            for name, values in under(saved, arrays).items():
                kept[name][..., : values.shape[-1]] = values
        # A snapshot of before does not tell what is at each level.
        if "rates.levels" not in arrays:
            levels.recount(self.rates.levels, self.rates.value[MONTH])
        self.prequential.restore(under("prequential.", arrays))
        self._choices, self.taken_back = arrays["counts"][:2].tolist()
        # Snapshots of before have none, or not of levels.
        if "shares" in arrays:
            self.shares.learnt = arrays["shares"].copy()
        if "shares_by_level" in arrays:
            self.shares.by_level = arrays["shares_by_level"].copy()
