"""Frames by actor: rows of all sources, cut by the hash of the actor, closed by size or by age."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from shared import frames, schemas
from shared.frames import Frame, Output, Progress, to_outputs
from shared.hashing import hash_strings
from shared.topics import EXPOSURES_BY_ACTOR, FRAMES_BY_ACTOR


@dataclass(frozen=True)
class Framing:
    """What frames are made of, and the topic they go to. `actor`: the column of who it is, an id or its hash."""

    topic: str
    kind: str
    schema: pa.Schema
    actor: str


LIKES_FRAMING: Final = Framing(FRAMES_BY_ACTOR, "likes", schemas.LIKES, "actor_id")
EXPOSURES_FRAMING: Final = Framing(EXPOSURES_BY_ACTOR, "exposures", schemas.EXPOSED_ITEMS, "actor")


class FrameBuilder:
    """Collects rows per actor partition; `close` turns what has come together into frames."""

    def __init__(self, partitions: int, max_rows: int, framing: Framing = LIKES_FRAMING) -> None:
        self.partitions = partitions
        self.max_rows = max_rows
        self.framing = framing
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0

    def add(self, rows: pa.RecordBatch) -> None:
        if rows.num_rows:
            self._rows += rows.num_rows
            self._batches.append(rows)

    @property
    def full(self) -> bool:
        return self._rows >= self.max_rows * self.partitions

    @property
    def empty(self) -> bool:
        return self._rows == 0

    def close(self, progress: Progress, always: bool = False) -> list[Output]:
        """The frames collected, each with the sources' progress; empty ones too if `always`."""
        rows = frames.join(self._batches, self.framing.schema)
        actor = rows.column(self.framing.actor)
        owner = (hash_strings(actor) if pa.types.is_string(actor.type) else actor.to_numpy()) % self.partitions
        self._batches, self._rows = [], 0
        outputs = []
        for partition, part in enumerate(frames.by_owner(rows, owner, self.partitions)):
            if part.num_rows or always:
                outputs += to_outputs(Frame(self.framing.kind, part, progress=progress), self.framing.topic, partition)
        return outputs
