"""Shares of the users: who holds which, and up to where each is written.

A share is a partition of `preferences.v1`; Kafka's group protocol hands them out. Redis keeps a mark for each: the
offset up to which all of its users are written. A worker writes, after each frame, the users of its shares that
changed after the mark. That one rule covers a frame in the ordinary way, a share taken over from a worker that
died, a repetition after a crash, and a Redis that was emptied.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable
from typing import Any

import pyarrow as pa
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from redis.asyncio import Redis

from services.predictor.publishing import (
    MARK_SCRIPT,
    PUBLISH_SCRIPT,
    Basis,
    keys_of,
    preference,
    user_writes,
)
from services.predictor.task import PredictorTask, shares_of
from shared import kafka, redis_keys
from shared.batches import BatchProducer
from shared.settings import ServiceSettings
from shared.topics import PREFERENCES, TRUSTED_LIKES

GROUP = "truelike-predictor"
NEVER = -1
LEAVE_SECONDS = 3.0


class Shares(ConsumerRebalanceListener):  # type: ignore[misc]
    """The shares that this worker holds, and what it writes of them to Redis and to `preferences.v1`."""

    def __init__(self, settings: ServiceSettings, redis: Redis, ttl_seconds: int) -> None:
        self.settings = settings
        self.redis: Any = redis
        self.ttl_seconds = ttl_seconds
        self.held: set[int] = set()
        self.preferences: BatchProducer | None = None
        self._publish = self.redis.register_script(PUBLISH_SCRIPT)
        self._mark = self.redis.register_script(MARK_SCRIPT)
        self._consumer: AIOKafkaConsumer | None = None
        self._membership: asyncio.Task[None] | None = None
        self._leaving = False
        # Up to where this worker last wrote all of its shares; NEVER once it has taken another.
        self._written = NEVER
        self._handed_out = 0
        # Records for preferences.v1 since the last flush, only a user's newest; a tombstone is None.
        self._unsent: dict[str, bytes | None] = {}

    def join(self, producer: AIOKafkaProducer | None) -> None:
        """Become a member of the group; shares come when they come. `producer` None: write no preferences."""
        if producer is not None:
            self.preferences = BatchProducer(producer, PREFERENCES, self.settings.partitions)
        self._membership = asyncio.create_task(self._keep_membership())

    async def _keep_membership(self) -> None:
        """Take part in rebalances. Nothing is read: the partitions stand for the shares."""
        self._consumer = kafka.consumer(self.settings, group=GROUP)
        self._consumer.subscribe([PREFERENCES], listener=self)
        await self._consumer.start()
        while not self._leaving:
            await self._consumer.getmany(timeout_ms=200)
        # In good order, so that others need not wait for the session to end.
        await self._consumer.stop()

    def check(self) -> None:
        """Raise what ended the membership, if something did."""
        if self._membership is not None and self._membership.done():
            self._membership.result()

    async def leave(self) -> None:
        """Leave the group, or give up joining it."""
        self._leaving = True
        if self._membership is not None:
            _, waiting = await asyncio.wait([self._membership], timeout=LEAVE_SECONDS)
            for task in waiting:
                task.cancel()

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        # What is unsent of a lost share is sent by who takes it: the mark of its preferences tells from where.
        self.held -= {tp.partition for tp in revoked}

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        assert self._consumer is not None
        self._consumer.pause(*assigned)
        self.held = {tp.partition for tp in assigned}
        self._written = NEVER
        self._handed_out += 1

    async def write(self, task: PredictorTask, offset: int) -> bool:
        """Bring Redis up to `offset` in all held shares, unless it is farther already. Raises RedisError.

        Returns whether more was lacking than the last frame's: then items' neighbours may be, too.
        """
        held, handed_out = sorted(self.held), self._handed_out
        changed = task.take_changed()
        if not held:
            return False
        marks = await self._marks("predictor", held)
        took_over = self._written == NEVER
        behind = {share: mark for share, mark in marks.items() if mark < offset}
        if took_over and self.preferences is not None:
            sent = await self._marks("preferences", held)
            behind |= {share: min(marks[share], mark) for share, mark in sent.items() if mark < offset}
        usual = not took_over and all(mark == self._written for mark in marks.values())
        users = task.of_shares(changed, behind) if usual else task.changed_after(behind)
        basis = Basis(offset, task.as_of, task.model.probabilities())
        for predictions in task.rank(users):
            for keys, arguments in user_writes(basis, predictions, self.ttl_seconds):
                await self._publish(keys=keys, args=arguments)
            if self.preferences is not None:
                self._unsent.update((p.user_id, preference(basis, p)) for p in predictions)
        gone = task.forgotten_after(behind)
        if gone:
            await self.redis.delete(*keys_of(gone))
            if self.preferences is not None:
                self._unsent.update(dict.fromkeys(gone))
        await self._mark(keys=[_mark_key("predictor", share) for share in held], args=[offset])
        if handed_out == self._handed_out:
            self._written = offset
        return not usual and bool(behind)

    async def flush_preferences(self, offset: int) -> None:
        """Send what was written up to `offset` to preferences.v1, of the shares still held. Raises KafkaError,
        RedisError.
        """
        unsent, self._unsent = self._unsent, {}
        held = sorted(self.held)
        if self.preferences is None or not held or self._written == NEVER:
            return
        sent = await self._marks("preferences", held)
        owners = shares_of(pa.array(list(unsent), pa.string()), self.settings.partitions).tolist()
        # A worker that was paused, and whose shares another holds by now, must not send old records after new ones.
        rows = [
            (user.encode(), value, share)
            for (user, value), share in zip(unsent.items(), owners, strict=True)
            if share in sent and sent[share] < offset
        ]
        if rows:
            keys, values, places = zip(*rows, strict=True)
            await self.preferences.send(keys, values, int(time.time() * 1000), places)
            await self.preferences.flush()
        await self._mark(keys=[_mark_key("preferences", share) for share in held], args=[offset])

    async def _marks(self, reader: str, shares: list[int]) -> dict[int, int]:
        found = await self.redis.mget([_mark_key(reader, share) for share in shares])
        return {share: NEVER if mark is None else int(mark) for share, mark in zip(shares, found, strict=True)}


def _mark_key(reader: str, share: int) -> str:
    return redis_keys.source(reader, TRUSTED_LIKES, share)
