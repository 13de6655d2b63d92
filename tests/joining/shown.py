"""A small joining stage, for tests and to copy from: was what a user liked shown to them within an hour before?"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from shared.as_of_join import JOINED_AT, AsOfJoin, Input, Step
from shared.checkpoints import Arrays, pack, unpack
from shared.frames import Frame, Lineage, Output, to_outputs

LIKES: Final = "shown-test.likes"
EXPOSURES: Final = "shown-test.exposures"
ANSWERS: Final = "shown-test.answers"

LIKE: Final = pa.schema(
    [("event_id", pa.string()), ("occurred_at", pa.int64()), ("actor_id", pa.string()), ("target_id", pa.string())]
)
EXPOSURE: Final = pa.schema([("shown_at", pa.int64()), ("actor_id", pa.string()), ("target_id", pa.string())])
ANSWER: Final = pa.schema([("event_id", pa.string()), ("shown", pa.bool_())])

ATTRIBUTION_MS: Final = 3_600_000
SOURCES: Final = 2


def new_join() -> AsOfJoin:
    return AsOfJoin(LIKES, [Input(EXPOSURES, "exposures", EXPOSURE, "shown_at", SOURCES)], lateness_ms=0)


class ShownTask:
    """When what was shown to whom, within the attribution window."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.counters = {"answered_likes": 0}
        self._shown: dict[tuple[str, str], int] = {}

    def process(self, step: Step) -> list[Output]:
        for row in step.rows["exposures"].to_pylist():
            self._shown[row["actor_id"], row["target_id"]] = row[JOINED_AT]
        answers = [
            {"event_id": row["event_id"], "shown": self._within(row["occurred_at"], row["actor_id"], row["target_id"])}
            for row in step.frame.batch.to_pylist()
        ]
        self._shown = {k: at for k, at in self._shown.items() if at >= step.clock - 2 * ATTRIBUTION_MS}
        self.counters["answered_likes"] += len(answers)
        if not answers:
            return []
        lineage = Lineage("shown", self.partition, step.number, step.clock)
        frame = Frame("answers", pa.RecordBatch.from_pylist(answers, ANSWER), lineage)
        return to_outputs(frame, ANSWERS, self.partition)

    def _within(self, liked_at: int, actor: str, target: str) -> bool:
        return 0 <= liked_at - self._shown.get((actor, target), 0) <= ATTRIBUTION_MS

    def snapshot(self) -> Arrays:
        return {
            "shown": pack([word for pair in self._shown for word in pair]),
            "shown_at": np.array(list(self._shown.values()), np.int64),
        }

    def restore(self, arrays: Arrays) -> None:
        words = unpack(arrays["shown"])
        self._shown = dict(zip(zip(words[::2], words[1::2], strict=True), arrays["shown_at"].tolist(), strict=True))
