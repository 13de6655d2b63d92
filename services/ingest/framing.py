"""Frames by actor: likes of all sources, cut by the hash of the actor, closed by size or by age."""

from __future__ import annotations

import pyarrow as pa

from shared import frames
from shared.frames import Frame, Output, Progress, to_outputs
from shared.hashing import hash_strings
from shared.topics import FRAMES_BY_ACTOR


class FrameBuilder:
    """Collects likes per actor partition; `close` turns what has come together into frames."""

    def __init__(self, partitions: int, max_rows: int) -> None:
        self.partitions = partitions
        self.max_rows = max_rows
        self._parts: list[list[pa.RecordBatch]] = [[] for _ in range(partitions)]
        self._rows = 0

    def add(self, likes: pa.RecordBatch) -> None:
        if likes.num_rows == 0:
            return
        self._rows += likes.num_rows
        owner = hash_strings(likes.column("actor_id")) % self.partitions
        for parts, part in zip(self._parts, frames.by_owner(likes, owner, self.partitions), strict=True):
            if part.num_rows:
                parts.append(part)

    @property
    def full(self) -> bool:
        return self._rows >= self.max_rows * self.partitions

    @property
    def empty(self) -> bool:
        return self._rows == 0

    def close(self, progress: Progress, always: bool = False) -> list[Output]:
        """The frames collected, each with the sources' progress; empty ones too if `always`."""
        outputs = []
        for partition, parts in enumerate(self._parts):
            if parts or always:
                batch = frames.join(parts, frames.LIKES)
                outputs += to_outputs(Frame("likes", batch, progress=progress), FRAMES_BY_ACTOR, partition)
        self._parts = [[] for _ in range(self.partitions)]
        self._rows = 0
        return outputs
