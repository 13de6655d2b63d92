"""Detector: four Faust agents, one a stage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import structlog
from redis.exceptions import RedisError

from services.detector.actor import ActorTask
from services.detector.group import GroupTask
from services.detector.settings import DetectorSettings
from services.detector.target import TargetTask
from services.detector.verdict import VerdictTask
from services.detector.warm_up import warm_up
from shared import forgetting, redis_connection
from shared.checkpoints import CheckpointStore
from shared.faust_stages import FaustStages
from shared.forgetting import of_frame
from shared.frames import Frame, Output
from shared.idempotent_redis import Command
from shared.partitions import Partition
from shared.schemas import FORGET
from shared.stage import StageRunner
from shared.topics import EVIDENCE_BY_ACTOR, FRAMES_BY_ACTOR, FRAMES_BY_TARGET, LINKS_BY_GROUP

log = structlog.get_logger()


class WeighingRunner(StageRunner):
    """Observes when a like's provisional weight is in Kafka; reports what forgetting took out."""

    redis: Any = None

    async def deliver(
        self, entry: Partition, frame: Frame, offset: int, outputs: Sequence[Output]
    ) -> list[asyncio.Future[Any]]:
        sent = await super().deliver(entry, frame, offset, outputs)
        if frame.kind == FORGET and frame.lineage is not None and frame.lineage.stage == "actor-forget":
            assert isinstance(entry.task, VerdictTask)
            name = f"detector/{entry.task.partition}"
            await self.report(forgetting.report(of_frame(frame).request_id, name, entry.task.removed))
        if frame.kind == "likes" and sent:
            times = frame.batch.column("sent_at").to_numpy()
            sent[0].add_done_callback(lambda _: self.latency.observe((time.time() * 1000 - times).astype(np.int64)))
        return sent

    async def report(self, commands: Sequence[Command]) -> None:
        """For `truelike forget` to find. Without Redis the request is still done, and only the report is missing."""
        try:
            for command in commands:
                await self.redis.execute_command(*command)
        except RedisError as error:
            log.warning("what was forgotten could not be reported", error=str(error))


async def main(settings: DetectorSettings) -> None:
    stages = FaustStages("detector", settings)
    judgement = settings.judgement()
    for name, topic, new_task in (
        ("actor", FRAMES_BY_ACTOR, lambda p: ActorTask(p, judgement)),
        ("target", FRAMES_BY_TARGET, lambda p: TargetTask(p, judgement)),
        ("verdict", EVIDENCE_BY_ACTOR, lambda p: VerdictTask(p, judgement)),
        ("group", LINKS_BY_GROUP, lambda p: GroupTask(p, judgement)),
    ):
        store = CheckpointStore(settings.checkpoint_dir, f"detector-{name}")
        runner = WeighingRunner if name == "verdict" else StageRunner
        stages.add(topic, runner(name, new_task, store, stages.send, settings.checkpoint_seconds))
    WeighingRunner.redis = redis_connection.connect(settings)
    warm_up()
    await stages.run()
