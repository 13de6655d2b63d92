"""Stage charts: trusted likes in log order, counted."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from services.charts.chart import SIZE, Chart, chart_of
from services.charts.counts import ChartKey, Counts
from services.charts.limits import ChartLimits
from services.charts.tallies import Tallies
from shared import forgetting
from shared.checkpoints import Arrays
from shared.frames import Frame, Output
from shared.hashing import hash_strings
from shared.schemas import FORGET
from shared.topics import REVIEWS

DAYS: Final = 28


class ChartsTask:
    """One partition of `trusted-likes.v1`."""

    kinds = ("trusted-likes", FORGET)

    def __init__(self, partition: int, limits: ChartLimits, days: int = DAYS) -> None:
        """`days`: of how many days of event time the loop's figures are."""
        self.partition = partition
        self.counts = Counts(limits)
        self.tallies = Tallies(days, limits.likes)
        # Likes that the last request to forget took back.
        self.last_forgotten = 0
        # Rows that came for the first time, and what was counted of them.
        self.counters = {"charts_likes": 0} | self.counts.counters | self.tallies.counters

    def process(self, frame: Frame, offset: int) -> list[Output]:
        """Who is forgotten has no review either, in the topic and so in all that read it."""
        if frame.kind != FORGET:
            self.take(frame.batch)
            return []
        users = forgetting.of_frame(frame).user_ids
        self._forget(users)
        return [Output(REVIEWS, b"", 0, user.encode(), tombstone=True) for user in users]

    def take(self, batch: pa.RecordBatch) -> None:
        """Rows of TRUSTED_LIKES."""
        self.counts.take(batch)
        self.tallies.take(batch)
        self.counters["charts_likes"] += batch.column("previous_probability").null_count
        self.counters |= self.counts.counters | self.tallies.counters

    def _forget(self, user_ids: list[str]) -> None:
        self.last_forgotten = self.counts.forget(user_ids)
        self.tallies.forget(hash_strings(pa.array(user_ids, pa.string())))
        self.counters |= self.counts.counters | self.tallies.counters

    def changed(self) -> list[ChartKey]:
        """Which charts are to be said again."""
        return self.counts.changed()

    def chart(self, key: ChartKey, size: int = SIZE) -> Chart | None:
        return chart_of(self.counts, key, size)

    def snapshot(self) -> Arrays:
        counted = {"counters": np.array(list(self.counters.values()))}
        return {**self.counts.snapshot(), **self.tallies.snapshot(), **counted}

    def restore(self, arrays: Arrays) -> None:
        self.counts.restore(arrays)
        self.tallies.restore(arrays)
        self.counters = dict(zip(self.counters, arrays["counters"].tolist(), strict=True))
        self.tallies.counters = {name: self.counters[name] for name in self.tallies.counters}
