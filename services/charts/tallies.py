"""A partition's likes by day of event time (UTC), as long as they count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import add
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from services.charts import spoken
from services.charts.bootstrap import I64, ONE
from services.charts.judged import Judged
from services.charts.periods import DAY_MS
from services.charts.standing_likes import CORRECTION, LIKE, TAKEN_BACK, TIME, Given, StandingLikes
from services.charts.tally import DayTally, Tally, packed
from shared.checkpoints import Arrays
from shared.events import ACTIONS, UNLIKE
from shared.hashing import hash_strings, hashes
from shared.measures.cells import added


@dataclass(frozen=True)
class State:
    """By day since 1970; `+` is of two partitions."""

    days: dict[int, Tally]

    def __add__(self, other: State) -> State:
        return State(added(self.days, other.days))

    def last(self, days: int) -> State:
        """Of so many days, the newest that there is and those before: of partitions one may be behind."""
        newest = max(self.days, default=0)
        return State({day: tally for day, tally in self.days.items() if day > newest - days})

    @cached_property
    def whole(self) -> Tally:
        return reduce(add, self.days.values(), Tally.empty())


class Tallies:
    """`days`: so many, the newest that was seen and those before; `most_likes`: how many likes can still be taken back
    or corrected.
    """

    def __init__(self, days: int, most_likes: int) -> None:
        self.days = days
        self.counters = {"too_old_likes": 0}
        self.standing = StandingLikes(most_likes)
        self.newest = -1
        self._of_day: dict[int, DayTally] = {}

    def take(self, batch: pa.RecordBatch) -> None:
        """Rows of trusted-likes.v1, in log order. Shares and buys are no likes."""
        kind, values = _rows(batch)
        # Too old is what is so at its own row, however the log is cut into frames.
        newest = np.maximum.accumulate(np.r_[self.newest, np.where(kind == LIKE, values[:, TIME] // DAY_MS, -1)])
        self.newest = int(newest[-1])
        kept = (kind == TAKEN_BACK) | (values[:, TIME] // DAY_MS > newest[1:] - self.days)
        self.counters["too_old_likes"] += int((~kept).sum())
        self._change(self.standing.follow(kind[kept], values[kept]))
        oldest = self.newest - self.days + 1
        self.standing.expire(oldest * DAY_MS)
        self._of_day = {day: of for day, of in self._of_day.items() if day >= oldest}

    def _change(self, given: Given) -> None:
        day_of = given.values[:, TIME] // DAY_MS
        for day in np.unique(day_of).tolist():
            # What was taken back of a day that is no longer kept is gone already.
            if day > self.newest - self.days:
                self._of_day.setdefault(day, DayTally()).take(given.take(day_of == day))

    def forget(self, actors: Any) -> int:
        """All that these actors (hashes, shape (n,)) gave; returns how many likes that were."""
        given = self.standing.forget(actors)
        self._change(given)
        for of in self._of_day.values():
            of.forget(actors)
        return len(given)

    def state(self, days: int | None = None) -> State:
        """Of so many days, the newest and those before it; without a number of all that are kept."""
        oldest = self.newest - (self.days if days is None else days) + 1
        return State({day: self._of_day[day].tally for day in sorted(self._of_day) if day >= oldest})

    def judged(self) -> Judged:
        """Who was judged in these days, by the likes that stand now."""
        return Judged(*self.standing.columns((self.newest - self.days + 1) * DAY_MS))

    def snapshot(self) -> Arrays:
        arrays = {**self.standing.snapshot(), "tallies": np.array([self.newest, *sorted(self._of_day)])}
        for day, of in self._of_day.items():
            arrays |= of.tally.arrays(f"day.{day}")
        return arrays

    def restore(self, arrays: Arrays) -> None:
        """The counters are restored by whoever holds the partition."""
        self.standing.restore(arrays)
        self.newest, *days = arrays["tallies"].tolist()
        self._of_day = {day: DayTally.of(Tally.of_arrays(f"day.{day}", arrays)) for day in days}


def _rows(batch: pa.RecordBatch) -> tuple[Any, I64]:
    """What each like, unlike and correction is, shape (n,), and its values, as of `StandingLikes`."""
    action = batch.column("action").to_numpy()
    correction = batch.column("previous_probability").is_valid().to_numpy(zero_copy_only=False)
    mine = (action == ACTIONS.index("like")) | ((action == UNLIKE) & ~correction)
    kind = np.where(action == UNLIKE, TAKEN_BACK, np.where(correction, CORRECTION, LIKE)).astype(np.int8)[mine]
    if not mine.all():
        batch = batch.filter(pa.array(mine))
    ids = (hash_strings(batch.column(name)) for name in ("event_id", "actor_id", "target_id"))
    creators = hashes(batch.column("creator_id"))
    label, origin, surface = (
        batch.column(name).to_numpy().astype(np.int64) for name in ("label", "content_origin", "surface")
    )
    language, locale = (spoken.codes(batch.column(name)) for name in ("content_language", "actor_locale"))
    score = np.rint(batch.column("human_probability").to_numpy().astype(np.float64) * ONE).astype(np.int64)
    hashed = (ids_of.view(np.int64) for ids_of in (*ids, creators))
    columns = (*hashed, packed(label, origin, surface, language, locale), score, batch.column("occurred_at").to_numpy())
    return kind, np.stack(columns, axis=1)


def encode(state: State) -> bytes:
    """As whoever merges partitions reads it."""
    arrays = {day: tally.arrays("t") for day, tally in state.days.items()}
    return msgspec.msgpack.encode(
        {
            day: {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in of.items()}
            for day, of in arrays.items()
        }
    )


def decode(data: bytes) -> State:
    """Of what `encode` gave; arrays can only be read."""
    days = msgspec.msgpack.decode(data, type=dict[int, dict[str, tuple[str, tuple[int, ...], bytes]]])
    return State(
        {
            day: Tally.of_arrays(
                "t", {name: np.frombuffer(held, kind).reshape(shape) for name, (kind, shape, held) in of.items()}
            )
            for day, of in days.items()
        }
    )
