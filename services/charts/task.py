"""Stage charts: trusted likes in log order, counted."""

from __future__ import annotations

import pyarrow as pa

from services.charts.chart import SIZE, Chart, chart_of
from services.charts.counts import ChartKey, Counts
from services.charts.limits import ChartLimits
from shared import forgetting
from shared.checkpoints import Arrays
from shared.frames import FORGET, Frame, Output


class ChartsTask:
    """One partition of `trusted-likes.v1`."""

    kinds = ("trusted-likes", FORGET)

    def __init__(self, partition: int, limits: ChartLimits) -> None:
        self.partition = partition
        self.counts = Counts(limits)
        # Likes that the last request to forget took back.
        self.last_forgotten = 0

    @property
    def counters(self) -> dict[str, int]:
        return self.counts.counters

    def process(self, frame: Frame, offset: int) -> list[Output]:
        if frame.kind == FORGET:
            self.last_forgotten = self.counts.forget(forgetting.of_frame(frame).user_ids)
        else:
            self.take(frame.batch)
        return []

    def take(self, batch: pa.RecordBatch) -> None:
        """Rows of TRUSTED_LIKES."""
        self.counts.take(batch)

    def changed(self) -> list[ChartKey]:
        """Which charts are to be said again."""
        return self.counts.changed()

    def chart(self, key: ChartKey, size: int = SIZE) -> Chart | None:
        return chart_of(self.counts, key, size)

    def snapshot(self) -> Arrays:
        return self.counts.snapshot()

    def restore(self, arrays: Arrays) -> None:
        self.counts.restore(arrays)
