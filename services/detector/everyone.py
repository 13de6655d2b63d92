"""Verdicts on those whom nothing speaks against, for who wants a line on everyone."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pyarrow as pa

from services.detector.evidence import Verdict
from shared.frames import decode
from shared.labels import HUMAN, LABELS


class People:
    """Actors' windows without a verdict. Holds a count for each."""

    def __init__(self, window_ms: int) -> None:
        self.window_ms = window_ms
        self._likes: list[pa.Table] = []
        self._said: set[str] = set()

    def add(self, trusted_likes: bytes) -> None:
        """A frame of trusted likes (corrections count for nothing)."""
        likes = decode(trusted_likes)
        fresh = likes.filter(pa.compute.equal(likes.column("revision"), 0)).select(["actor_id", "window_start"])
        self._likes.append(_counted(pa.Table.from_batches([fresh]).append_column("likes", pa.array([1] * len(fresh)))))

    def leave_out(self, verdict: bytes) -> None:
        """There is a verdict on this window of this actor."""
        self._said.add(msgspec.json.decode(verdict)["verdict_id"])

    def verdicts(self) -> Iterator[bytes]:
        """One for each other window of an actor, in the order of actors and time."""
        if not self._likes:
            return
        counted = _counted(pa.concat_tables(self._likes)).sort_by(
            [("actor_id", "ascending"), ("window_start", "ascending")]
        )
        for actor_id, start, likes in zip(*(column.to_pylist() for column in counted.columns), strict=True):
            identifier = f"{actor_id}@{start}"
            if identifier not in self._said:
                end = start + self.window_ms
                yield msgspec.json.encode(Verdict(identifier, actor_id, start, end, LABELS[HUMAN], 1.0, likes, 1, []))


def _counted(likes: pa.Table) -> pa.Table:
    grouped = likes.group_by(["actor_id", "window_start"], use_threads=False).aggregate([("likes", "sum")])
    return grouped.rename_columns(["actor_id", "window_start", "likes"])
