"""Watermarks of the partitions of a topic that this worker reads, and what to do when one falls silent."""

from __future__ import annotations

from dataclasses import dataclass

from shared.frames import Progress


@dataclass
class _Source:
    latest_event_ms: int
    read_at: float


class Sources:
    """Event time per source.

    While a source is idle its watermark moves on with the clock, at `speed` seconds of event time a second, so
    that it holds back nobody and its last windows close. What the clock did is written into the frames: the
    stages behind never look at a clock, and a replay of their input sees the same.

    Sources of a topic that is read `beside` another follow that one while they are idle: they hold back nobody there.
    """

    TICK_SECONDS = 1.0

    def __init__(self, count: int, idle_seconds: float, speed: float, beside: Sources | None = None) -> None:
        self.count = count
        self._idle_seconds = idle_seconds
        self._speed = speed
        self._beside = beside
        self._sources: dict[int, _Source] = {}
        self._ticked_at = 0.0

    def take(self, partition: int, latest_event_ms: int, now: float) -> None:
        self._sources[partition] = _Source(latest_event_ms, now)

    def drop(self, partition: int) -> None:
        self._sources.pop(partition, None)

    def read(self, partition: int, latest_event_ms: int, now: float) -> None:
        source = self._sources[partition]
        source.latest_event_ms, source.read_at = latest_event_ms, now

    def wait_for(self, partition: int, now: float) -> None:
        """It may hold what is not read yet: it is not idle, however long nothing came."""
        self._sources[partition].read_at = now

    def tick_due(self, now: float) -> bool:
        """Whether an idle source should be told of although there are no rows."""
        return now - self._ticked_at >= self.TICK_SECONDS and any(self._idle(s, now) for s in self._sources.values())

    def ticked(self, now: float) -> None:
        """All partitions have been told."""
        self._ticked_at = now

    def _idle(self, source: _Source, now: float) -> bool:
        return now - source.read_at >= self._idle_seconds

    def progress(self, now: float) -> Progress:
        """Watermarks now. A source that never had a row follows the furthest of the others."""
        furthest = max((s.latest_event_ms for s in self._sources.values()), default=-1)
        beside = max(self._beside.progress(now).watermarks.values(), default=-1) if self._beside is not None else -1
        watermarks = {}
        for partition, source in self._sources.items():
            latest = source.latest_event_ms
            if beside >= 0 and self._idle(source, now):
                latest = max(latest, beside)
            elif self._idle(source, now):
                # Idle sources move together from the furthest one: none of them knows of later likes.
                silent = min(now - s.read_at for s in self._sources.values())
                latest = max(latest, furthest + round(max(0.0, silent) * self._speed * 1000)) if furthest >= 0 else -1
            watermarks[partition] = latest
        return Progress(self.count, watermarks)
