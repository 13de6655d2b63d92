"""Shares of the users: who holds which, and up to where each is written.

A share is a partition of `preferences.v1`; Kafka's group protocol hands them out. Redis keeps a mark for each: the
offset up to which all of its users are written. A worker writes, after each frame, the users of its shares that
changed after the mark. That one rule covers a frame in the ordinary way, a share taken over from a worker that
died, a repetition after a crash, and a Redis that was emptied.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from services.predictor.model import Rankings
from services.predictor.publishing import (
    MARK_SCRIPT,
    PUBLISH_SCRIPT,
    Arguments,
    Basis,
    Documents,
    keys_of,
)
from services.predictor.task import PredictorTask, shares_of
from shared import kafka, redis_keys
from shared.batches import BatchProducer
from shared.dependency import Dependency
from shared.settings import ServiceSettings
from shared.topics import PREFERENCES, TRUSTED_LIKES

log = structlog.get_logger()

I64 = npt.NDArray[np.int64]
# Calls something that writes to Redis until Redis is there.
Available = Callable[[Callable[[], Awaitable[Any]]], Coroutine[Any, Any, Any]]

GROUP = "truelike-predictor"
# Who holds this share does once what all could do: forecasts, snapshots, figures, neighbours, counters.
LEADER = 0
RANKED_AT_ONCE = 4096
NEVER = -1
LEAVE_SECONDS = 3.0


class Shares(ConsumerRebalanceListener):  # type: ignore[misc]
    """The shares that this worker holds, and what it writes of them to Redis and to `preferences.v1`."""

    def __init__(self, settings: ServiceSettings, redis: Redis, ttl_seconds: int, available: Available) -> None:
        self.settings = settings
        self.redis: Any = redis
        self.ttl_seconds = ttl_seconds
        self.held: set[int] = set()
        # As of the last time that shares were handed out; None: they never were to this worker.
        self.leads: bool | None = None
        self.preferences: BatchProducer | None = None
        self._publish = self.redis.register_script(PUBLISH_SCRIPT)
        self._mark = self.redis.register_script(MARK_SCRIPT)
        self._consumer: AIOKafkaConsumer | None = None
        self._membership: asyncio.Task[None] | None = None
        self._leaving = False
        # Up to where this worker last wrote all of its shares; NEVER once it has taken another.
        self._written = NEVER
        self._handed_out = 0
        self._available = available
        self._documents = Documents()
        self._sending: asyncio.Task[None] | None = None
        # What was written since preferences.v1 was last brought up to date; and who was forgotten.
        self._unsent: list[tuple[Basis, Rankings]] = []
        self._unsent_forgotten: list[str] = []

    def join(self, producer: AIOKafkaProducer | None) -> None:
        """Become a member of the group; shares come when they come. `producer` None: write no preferences."""
        if producer is not None:
            self.preferences = BatchProducer(producer, PREFERENCES, self.settings.partitions)
        self._membership = asyncio.create_task(self._keep_membership())

    async def _keep_membership(self) -> None:
        """Take part in rebalances. Nothing is read: the partitions stand for the shares."""
        consumer = await Dependency("kafka", KafkaError).when_available(self._become_member)
        while not self._leaving:
            await consumer.getmany(timeout_ms=200)
        # In good order, so that others need not wait for the session to end.
        await consumer.stop()

    async def _become_member(self) -> AIOKafkaConsumer:
        """Raises KafkaError, also where the broker was there but this process had no time to hear its answer."""
        self._consumer = kafka.consumer(self.settings, group=GROUP)
        self._consumer.subscribe([PREFERENCES], listener=self)
        try:
            await self._consumer.start()
        except KafkaError:
            await self._consumer.stop()
            raise
        return self._consumer

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
        self.leads = LEADER in self.held
        self._written = NEVER
        self._handed_out += 1

    async def write(self, task: PredictorTask, offset: int) -> bool:
        """Bring Redis up to `offset` in all held shares, unless it is farther already. The last of it is still under
        way on return (`settle`), so that Redis and this process work at the same time.

        Returns whether more was lacking than what changed since the last call: then items' neighbours may be, too.
        """
        held, handed_out = sorted(self.held), self._handed_out
        changed = task.take_changed()
        if not held:
            return False
        usual = self._written != NEVER
        basis = Basis(offset, task.as_of, task.model.probabilities())
        behind = dict.fromkeys(held, self._written)
        calls = await self._rank_most(task, basis, task.of_shares(changed, behind)) if usual else []
        await self.settle()
        marks = await self._available(partial(self._marks, "predictions", held))
        usual = usual and all(mark == self._written for mark in marks.values())
        if not usual:
            behind = {share: mark for share, mark in marks.items() if mark < offset}
            if self._written == NEVER and self.preferences is not None:
                sent = await self._available(partial(self._marks, "preferences", held))
                behind |= {share: min(marks[share], mark) for share, mark in sent.items() if mark < offset}
            # Perhaps all users: some at a time, and the log waits.
            calls = await self._rank_most(task, basis, task.changed_after(behind))
            await self.settle()
        gone = task.forgotten_after(behind)
        self._unsent_forgotten += gone
        if handed_out == self._handed_out:
            self._written = offset
        self._sending = asyncio.create_task(self._available(partial(self._send, calls, gone, marks, offset)))
        return not usual and bool(behind)

    async def _rank_most(self, task: PredictorTask, basis: Basis, users: I64) -> list[Arguments]:
        """Rank users, and write their rankings but for the last ones, whose calls are returned."""
        calls: list[Arguments] = []
        for start in range(0, len(users), RANKED_AT_ONCE):
            if calls:
                await self.settle()
                self._sending = asyncio.create_task(self._available(partial(self._send, calls, [], {}, basis.offset)))
            calls = self._rank(task, basis, users[start : start + RANKED_AT_ONCE])
            # Health, and what is being sent, get their turns.
            await asyncio.sleep(0)
        return calls

    def _rank(self, task: PredictorTask, basis: Basis, users: I64) -> list[Arguments]:
        """Rank users; returns the calls that write the rankings."""
        if not len(users):
            return []
        rankings = task.ranked(users)
        self._unsent.append((basis, rankings))
        return list(self._documents.calls(basis, task.model, rankings, self.ttl_seconds))

    async def _send(self, calls: list[Arguments], gone: list[str], marks: dict[int, int], offset: int) -> None:
        """Rankings, then who was forgotten, then the shares' new marks, given those before. Raises RedisError; may be
        repeated.
        """
        async with self.redis.pipeline(transaction=False) as pipe:
            for arguments in calls:
                await self._publish(args=arguments, client=pipe)
            if gone:
                pipe.delete(*keys_of(gone))
            if marks:
                await self._set_marks("predictions", marks, offset, pipe)
            await pipe.execute()

    def when_written(self, call: Callable[[], None]) -> None:
        """Call once Redis has all that was written so far."""
        if self._sending is None:
            call()
        else:
            self._sending.add_done_callback(lambda _: call())

    async def settle(self) -> None:
        """Wait until Redis has all that was written."""
        if self._sending is not None:
            sending, self._sending = self._sending, None
            await sending

    async def flush_preferences(self, task: PredictorTask, offset: int) -> None:
        """Send what was written up to `offset` to preferences.v1, of the shares still held, only a user's newest.
        Raises KafkaError, RedisError.
        """
        await self.settle()
        held = sorted(self.held)
        if self.preferences is None or not held or self._written == NEVER:
            self._unsent, self._unsent_forgotten = [], []
            return
        # A worker that was paused, and whose shares another holds by now, must not send old records after new ones.
        marks = await self._marks("preferences", held)
        behind = {share: mark for share, mark in marks.items() if mark < offset}
        # Who was forgotten and came back since has a record behind the tombstone.
        gone = list(dict.fromkeys(self._unsent_forgotten))
        owners = shares_of(pa.array(gone, pa.string()), self.settings.partitions)
        sent = await self._send_preferences(gone, [None] * len(gone), owners, behind)
        seen = np.zeros(0, np.int64)
        for basis, rankings in reversed(self._unsent):
            # Who was forgotten since has no name any more.
            newest = rankings.only(task.present[rankings.users] & ~np.isin(rankings.users, seen))
            seen = np.union1d(seen, rankings.users)
            records = self._documents.of_topic(basis, task.model, newest)
            names = task.model.users.names(newest.users)
            sent |= await self._send_preferences(names, records, task.share_of[newest.users], behind)
        self._unsent, self._unsent_forgotten = [], []
        if sent:
            assert self.preferences is not None
            await self.preferences.flush()
            await self._make_good(offset, {share: behind[share] for share in sent})
        await self._set_marks("preferences", marks, offset)

    async def _send_preferences(
        self, users: Sequence[str], records: Sequence[bytes | None], owners: I64, behind: dict[int, int]
    ) -> set[int]:
        """Hand over those of shares that are behind; returns the shares that there were."""
        assert self.preferences is not None
        rows = [
            (user.encode(), record, share)
            for user, record, share in zip(users, records, owners.tolist(), strict=True)
            if share in behind
        ]
        if rows:
            keys, values, places = zip(*rows, strict=True)
            await self.preferences.send(keys, values, int(time.time() * 1000), places)
        # Perhaps there are those of all users: health, and what is being sent, get their turns.
        await asyncio.sleep(0)
        return {share for _, _, share in rows}

    async def _make_good(self, offset: int, before: dict[int, int]) -> None:
        """Who was paused between looking at the marks and sending may have put old records behind newer ones of the
        worker that took over. The marks are then set back to what they were, so that it writes the shares again.
        """
        overtaken = [share for share, mark in (await self._marks("preferences", list(before))).items() if mark > offset]
        if overtaken:
            log.warning("shares written again by who holds them: this worker was overtaken", shares=overtaken)
            marks = {(reader, share): before[share] for reader in ("predictions", "preferences") for share in overtaken}
            await self.redis.mset({_mark_key(*at): mark for at, mark in marks.items()})

    async def _marks(self, reader: str, shares: list[int]) -> dict[int, int]:
        """Up to where each share is written. A missing mark is made, so that it can be seen to go missing."""
        keys = [_mark_key(reader, share) for share in shares]
        async with self.redis.pipeline(transaction=True) as pipe:
            for key in keys:
                pipe.set(key, NEVER, nx=True)
            pipe.mget(keys)
            found = (await pipe.execute())[-1]
        return {share: int(mark) for share, mark in zip(shares, found, strict=True)}

    async def _set_marks(self, reader: str, before: dict[int, int], offset: int, pipe: Pipeline | None = None) -> None:
        keys = [_mark_key(reader, share) for share in before]
        await self._mark(keys=keys, args=[offset, *before.values()], client=pipe)


def _mark_key(reader: str, share: int) -> str:
    return redis_keys.source(reader, TRUSTED_LIKES, share)
