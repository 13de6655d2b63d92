"""Likes joined with what was shown: choices and reports as messages, reports in Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
from redis.asyncio import Redis

from services.choice.settings import ChoiceSettings
from services.choice.task import ChoiceTask
from shared import forgetting, redis_keys
from shared.as_of_join import AsOfJoin, Input
from shared.checkpoints import CheckpointStore
from shared.frames import Frame, Output
from shared.idempotent_redis import Command, IdempotentWriter
from shared.joining import JoiningRunner, task_of
from shared.partitions import Partition
from shared.schemas import EXPOSED_ITEMS
from shared.stage import Send
from shared.topics import CHOICE_REPORTS, EXPOSURES_BY_ACTOR, FORECASTS

# To a topic's partition messages by key; back once the broker has them.
SendMany = Callable[[str, int, Mapping[str, bytes]], Awaitable[None]]
REPORTS_AT_ONCE: Final = 1000


def followed(settings: ChoiceSettings) -> Input:
    """What likes are joined with."""
    return Input(EXPOSURES_BY_ACTOR, "exposures", EXPOSED_ITEMS, "occurred_at", settings.partitions)


class ChoiceRunner(JoiningRunner):
    """A step is done once Redis has the reports that it changed. The topic of reports gets only a user's newest one of
    those since the last snapshot.
    """

    def __init__(self, settings: ChoiceSettings, redis: Redis, send: Send, send_many: SendMany) -> None:
        super().__init__(
            "choice",
            lambda p: ChoiceTask(p, settings.choice_likes, settings.choice_items),
            lambda: AsOfJoin(FORECASTS, [followed(settings)], round(settings.exposure_lateness_seconds * 1000)),
            CheckpointStore(settings.checkpoint_dir, "choice"),
            send,
            settings.checkpoint_seconds,
        )
        self.writer = IdempotentWriter(redis, "choice", FORECASTS)
        self._ttl_seconds = round(settings.choice_reports_ttl_days * 86400)
        self._send_many = send_many
        # Reports since the last snapshot, by partition and user.
        self._unsent: dict[int, dict[str, bytes]] = {}

    async def deliver(
        self, entry: Partition, frame: Frame, offset: int, outputs: Sequence[Output]
    ) -> list[asyncio.Future[Any]]:
        sent = await super().deliver(entry, frame, offset, outputs)
        task: ChoiceTask = task_of(entry)
        effects, unsent = task.effects, self._unsent.setdefault(task.partition, {})
        reports = dict(zip(effects.users, task.reports(effects.users), strict=True))
        unsent.update(reports)
        commands: list[Command] = [self._written(user, report) for user, report in reports.items()]
        if effects.forgotten:
            for user in effects.forgotten:
                unsent.pop(user, None)
            commands.append(("DEL", *map(redis_keys.choice_report, effects.forgotten)))
            removed = {**effects.removed, "redis_keys": len(effects.forgotten)}
            commands += forgetting.report(effects.request_id, f"choice/{task.partition}", removed)
        newest = await self.writer.apply_when_available(task.partition, offset, commands, task.step_before)
        if newest < offset:
            await self.writer.dependency.when_available(partial(self._write_all, task))
            await self.writer.apply_when_available(task.partition, offset, commands)
        if len(effects.sent_at):
            self.latency.observe((time.time() * 1000 - effects.sent_at).astype(np.int64))
        return sent

    def _written(self, user: str, report: bytes) -> Command:
        return ("SET", redis_keys.choice_report(user), report, "EX", self._ttl_seconds)

    async def _write_all(self, task: ChoiceTask) -> None:
        """Redis lacks what it had. Raises RedisError; may be repeated."""
        users = task.users()
        redis: Any = self.writer.redis
        for start in range(0, len(users), REPORTS_AT_ONCE):
            part = users[start : start + REPORTS_AT_ONCE]
            async with redis.pipeline(transaction=False) as pipe:
                for user, report in zip(part, task.reports(part), strict=True):
                    pipe.execute_command(*self._written(user, report))
                await pipe.execute()

    async def settle(self, entry: Partition) -> None:
        """Also the topic has all reports: a snapshot follows."""
        await super().settle(entry)
        task: ChoiceTask = task_of(entry)
        if unsent := self._unsent.pop(task.partition, {}):
            await self._send_many(CHOICE_REPORTS, task.partition, unsent)

    def drop(self, partition: int) -> None:
        super().drop(partition)
        self._unsent.pop(partition, None)
