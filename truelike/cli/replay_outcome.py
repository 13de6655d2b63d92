"""What became of the likes that one replay sent, whatever else is sent meanwhile: from the topics, with no service.

A like that ingest has passed is in `frames.by-actor`, or in `likes.rejected.v1`, or its event was known already.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared import kafka
from shared.events import ACTIONS
from shared.frames import decode, from_message
from shared.settings import ServiceSettings
from shared.topics import FRAMES_BY_ACTOR, INGEST_GROUP, LIKES, LIKES_REJECTED
from truelike.files.parts import Refused

Places = Sequence[tuple[int, int, int]]
_POLL_SECONDS: Final = 0.3
_SURE_SECONDS: Final = 1.0


class Unfinished(Exception):
    """Ingest has not taken all that was sent; the message says what is missing."""


@dataclass(frozen=True)
class Rejected:
    """A like that ingest refused. `value` is the message as it was sent."""

    errors: tuple[str, ...]
    value: bytes

    @property
    def event_id(self) -> str:
        return str(msgspec.json.decode(self.value)["event_id"])

    def as_row(self, rows: dict[str, int]) -> Refused:
        return Refused(rows.get(self.event_id, 0), self.errors, msgspec.json.decode(self.value))


class Ends:
    """Where the topics end before anything is sent, and how far event time is there (ms), None where it never began."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.frames: dict[TopicPartition, int] = {}
        self.rejected: dict[TopicPartition, int] = {}
        self.event_ms: int | None = None

    async def find(self) -> None:
        """Raises KafkaError."""
        frames = [TopicPartition(FRAMES_BY_ACTOR, p) for p in range(self.settings.partitions)]
        consumer = kafka.consumer(self.settings)
        await consumer.start()
        try:
            self.frames = dict(await consumer.end_offsets(frames))
            self.rejected = dict(await consumer.end_offsets([TopicPartition(LIKES_REJECTED, 0)]))
            newest = {place: end - 1 for place, end in self.frames.items() if end > 0}
            watermarks: dict[int, int] = {}
            async for record in _records(consumer, newest, self.frames):
                progress = from_message(record.value, record.headers).progress
                for source, at in progress.watermarks.items() if progress is not None else ():
                    watermarks[source] = max(at, watermarks.get(source, at))
        finally:
            await consumer.stop()
        known = [at for at in watermarks.values() if at >= 0]
        self.event_ms = min(known) if known else None


class Accounts:
    """`settle` fills `accepted`, `rejected`, `duplicates` and `lost`."""

    def __init__(self, settings: ServiceSettings, ends: Ends, places: Places) -> None:
        self.settings = settings
        self.ends = ends
        self.sent = sum(count for _, _, count in places)
        self.rejected: list[Rejected] = []
        self.duplicates = self.lost = 0
        # How far both topics were read.
        self._frames, self._rejections = ends.frames, ends.rejected
        # By partition: offsets that are ours, in order, and whether each was found in a frame or among rejections.
        self._ours = {
            p: np.sort(np.concatenate([np.arange(first, first + n) for q, first, n in places if q == p]))
            for p in {p for p, _, _ in places}
        }
        self._framed = {p: np.zeros(len(offsets), np.bool_) for p, offsets in self._ours.items()}
        self._refused = {p: np.zeros(len(offsets), np.bool_) for p, offsets in self._ours.items()}

    @property
    def accepted(self) -> int:
        return sum(int(found.sum()) for found in self._framed.values())

    @property
    def _nowhere(self) -> int:
        return self.sent - self.accepted - len(self.rejected)

    async def settle(self, wait: float, advance: Any) -> None:
        """Wait until ingest has passed all of them, at most `wait` seconds without progress. Raises KafkaError and
        Unfinished.
        """
        consumer = kafka.consumer(self.settings)
        await consumer.start()
        try:
            passed, missing = await self._passed(wait, advance)
            await self._read(consumer)
            if missing:
                raise Unfinished(
                    f"{missing:,} of {self.sent:,} likes are in Kafka, not yet taken by an ingest ({passed:,} are): "
                    "they wait there; start one, or see `truelike status`"
                )
            if self._nowhere:
                # A topic that has just grown may show its end late; only what stays away is gone.
                await asyncio.sleep(_SURE_SECONDS)
                await self._read(consumer)
            if self._nowhere:
                await self._tell_duplicates(consumer)
        finally:
            await consumer.stop()

    async def _passed(self, wait: float, advance: Any) -> tuple[int, int]:
        """How many of ours the group has committed, and how many not when patience ended."""
        places = [TopicPartition(LIKES, p) for p in self._ours]
        admin = kafka.admin_client(self.settings)
        await admin.start()
        try:
            best, deadline = -1, time.monotonic() + wait
            while True:
                committed = await admin.list_consumer_group_offsets(INGEST_GROUP, partitions=places)
                passed = sum(
                    int(np.searchsorted(self._ours[place.partition], found.offset))
                    for place, found in committed.items()
                    if found.offset >= 0
                )
                advance(passed, self.sent)
                if passed > best:
                    best, deadline = passed, time.monotonic() + wait
                if passed == self.sent or time.monotonic() > deadline:
                    return passed, self.sent - passed
                await asyncio.sleep(_POLL_SECONDS)
        finally:
            await admin.close()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        """What came into both topics since it was last read, first since before anything was sent."""
        starts, self._frames = self._frames, dict(await consumer.end_offsets(list(self._frames)))
        async for record in _records(consumer, starts, self._frames):
            likes = decode(record.value)
            partitions = likes.column("source_partition").to_numpy()
            offsets = likes.column("source_offset").to_numpy()
            for partition, ours in self._ours.items():
                at = _found(ours, offsets[partitions == partition])
                self._framed[partition][at] = True
        before, self._rejections = self._rejections, dict(await consumer.end_offsets(list(self._rejections)))
        async for record in _records(consumer, before, self._rejections):
            headers = dict(record.headers)
            topic, partition, offset = headers["truelike-source"].decode().rsplit("/", 2)
            source = int(partition)
            if topic != LIKES or source not in self._ours:
                continue
            at = _found(self._ours[source], np.array([int(offset)]))
            if len(at) and not self._refused[source][at[0]]:
                self._refused[source][at] = True
                errors = msgspec.json.decode(headers["truelike-errors"], type=tuple[str, ...])
                self.rejected.append(Rejected(errors, record.value))

    async def _tell_duplicates(self, consumer: AIOKafkaConsumer) -> None:
        """A like that is nowhere is a duplicate if a frame has its event, and lost if none has. Where old frames are
        gone by retention, it is taken for a duplicate of one of those.
        """
        frames = list(self.ends.frames)
        begins = dict(await consumer.beginning_offsets(frames))
        events = await self._events(consumer)
        async for record in _records(consumer, begins, await consumer.end_offsets(frames)):
            likes = decode(record.value)
            known = set(zip(likes.column("event_id").to_pylist(), likes.column("action").to_pylist(), strict=True))
            for event in known.intersection(events):
                self.duplicates += events.pop(event)
            if not events:
                return
        nowhere = sum(events.values())
        if any(begins.values()):
            self.duplicates += nowhere
        else:
            self.lost = nowhere

    async def _events(self, consumer: AIOKafkaConsumer) -> dict[tuple[str, int], int]:
        """(event_id, action's code) of likes that were found nowhere, and how often each was sent."""
        found: dict[tuple[str, int], int] = {}
        for partition, ours in self._ours.items():
            nowhere = ours[~(self._framed[partition] | self._refused[partition])]
            if not len(nowhere):
                continue
            place = TopicPartition(LIKES, partition)
            wanted = set(nowhere.tolist())
            async for record in _records(consumer, {place: int(nowhere[0])}, {place: int(nowhere[-1]) + 1}):
                if record.offset in wanted:
                    event = msgspec.json.decode(record.value)
                    key = (event["event_id"], ACTIONS.index(event.get("action", ACTIONS[0])))
                    found[key] = found.get(key, 0) + 1
        return found


def _found(ours: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where in `ours` these offsets are, those that are."""
    at = np.minimum(np.searchsorted(ours, offsets), len(ours) - 1)
    return at[ours[at] == offsets]


async def _records(
    consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]
) -> AsyncIterator[Any]:
    """All records from `starts` to `ends`, and what was fetched together with the last: the embedded broker says that
    a topic ends behind the first record of its last batch.
    """
    open_places = [place for place, start in starts.items() if start < ends[place]]
    if not open_places:
        return
    consumer.assign(open_places)
    for place in open_places:
        consumer.seek(place, starts[place])
    while open_places:
        for records in (await consumer.getmany(timeout_ms=500)).values():
            for record in records:
                yield record
        done = [place for place in open_places if await consumer.position(place) >= ends[place]]
        for place in done:
            open_places.remove(place)
            consumer.pause(place)
