"""How many were judged in each window, by label: what there is to say of all those who are in no verdict."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from services.detector.settings import Judgement
from shared.checkpoints import Arrays
from shared.frames import Output
from shared.hashing import U64, mix
from shared.labels import LABELS
from shared.slots import SlotTable
from shared.topics import WINDOW_SUMMARIES

I64 = npt.NDArray[np.int64]

_N: Final = len(LABELS)


class Summaries:
    """Counts of the windows within the horizon. An actor counts by the worst label of its likes in the window."""

    def __init__(self, partition: int, settings: Judgement) -> None:
        self.partition = partition
        self.settings = settings
        self.seen = SlotTable({"label": np.int8, "window": np.int64}, settings.max_actors)
        # By window start: likes by label, actors by label, revision.
        self._counts: dict[int, npt.NDArray[np.int64]] = {}
        self._dirty: set[int] = set()
        # Actors' windows so far, by label, whatever has expired since.
        self.total = np.zeros(_N, np.int64)

    def add(self, windows: I64, actors: U64, labels: npt.NDArray[np.int8]) -> None:
        """Take in likes with the label that they came with. Shapes (n,)."""
        starts, which = np.unique(windows, return_inverse=True)
        likes = np.bincount(which * _N + labels, minlength=len(starts) * _N).reshape(-1, _N)
        slots, new = self.seen.insert(mix(actors, windows.astype(np.uint64)))
        self.seen["touched"][slots] = self.seen["window"][slots] = windows
        self.seen["label"][slots[new]] = labels[new]
        arrived = np.bincount(which[new] * _N + labels[new], minlength=len(starts) * _N).reshape(-1, _N)
        for start, by_label, by_actor in zip(starts.tolist(), likes, arrived, strict=True):
            counts = self._of(start)
            counts[:_N] += by_label
            counts[_N : 2 * _N] += by_actor
        self.total += arrived.sum(axis=0)

    def move(self, windows: I64, before: npt.NDArray[Any], after: npt.NDArray[Any]) -> None:
        """Likes whose label changed. Shapes (n,)."""
        for start in np.unique(windows).tolist():
            here = windows == start
            counts = self._of(start)[:_N]
            counts += np.bincount(after[here], minlength=_N) - np.bincount(before[here], minlength=_N)

    def relabel(self, actors: U64, windows: I64, labels: npt.NDArray[np.int8]) -> None:
        """What actors are judged now in these windows. Shapes (n,)."""
        slots = self.seen.find(mix(actors, windows.astype(np.uint64)))
        known = slots >= 0
        slots, windows, labels = slots[known], windows[known], labels[known]
        before = self.seen["label"][slots].copy()
        self.seen["label"][slots] = labels
        moved = before != labels
        self.total += np.bincount(labels, minlength=_N) - np.bincount(before, minlength=_N)
        for start, was, now in zip(
            windows[moved].tolist(), before[moved].tolist(), labels[moved].tolist(), strict=True
        ):
            counts = self._of(start)
            counts[_N + was] -= 1
            counts[_N + now] += 1

    def _of(self, start: int) -> npt.NDArray[np.int64]:
        self._dirty.add(start)
        return self._counts.setdefault(start, np.zeros(2 * _N + 1, np.int64))

    def close(self, now: int) -> list[Output]:
        """Summaries, new or changed, of the windows that event time has passed."""
        size = self.settings.window_ms
        due = sorted(start for start in self._dirty if start + size <= now)
        self._dirty.difference_update(due)
        return [self._summary(start) for start in due]

    def _summary(self, start: int) -> Output:
        counts = self._counts[start]
        counts[-1] += 1
        likes, actors = counts[:_N].tolist(), counts[_N : 2 * _N].tolist()
        summary = {
            "window_start": start,
            "window_end": start + self.settings.window_ms,
            "partition": self.partition,
            "actors": dict(zip(LABELS, actors, strict=True)),
            "likes": dict(zip(LABELS, likes, strict=True)),
            "revision": int(counts[-1]),
        }
        return Output(WINDOW_SUMMARIES, msgspec.json.encode(summary), 0, str(start).encode())

    def expire(self, before_ms: int) -> None:
        if self.seen.expire_once(before_ms):
            old = [start for start in self._counts if start < before_ms]
            for start in old:
                del self._counts[start]
            self._dirty.difference_update(old)

    def snapshot(self) -> Arrays:
        starts = sorted(self._counts)
        return {
            **self.seen.snapshot("summaries.seen"),
            "summaries.start": np.array(starts, np.int64),
            "summaries.counts": np.array([self._counts[s] for s in starts], np.int64).reshape(-1, 2 * _N + 1),
            "summaries.total": self.total.copy(),
            "summaries.dirty": np.array(sorted(self._dirty), np.int64),
        }

    def restore(self, arrays: Arrays) -> None:
        self.seen.restore("summaries.seen", arrays)
        starts = arrays["summaries.start"].tolist()
        self._counts = {s: c.copy() for s, c in zip(starts, arrays["summaries.counts"], strict=True)}
        self.total = arrays["summaries.total"].copy()
        self._dirty = set(arrays["summaries.dirty"].tolist())
