"""Choice: whose choice likes were, from forecasts and exposures; reports for users, figures of the platform."""

from __future__ import annotations

from redis.asyncio import Redis

from services.choice.platform import PlatformFigures
from services.choice.runner import ChoiceRunner
from services.choice.settings import ChoiceSettings
from services.choice.warm_up import warm_up
from shared import redis_connection
from shared.faust_stages import FaustStages
from shared.joining import task_of
from shared.topics import CHOICE_REPORTS, CHOICES, EXPOSURES_BY_ACTOR, FORECASTS


class ChoiceStages(FaustStages):
    """One joining stage, and the platform's figures beside it."""

    def __init__(self, settings: ChoiceSettings, redis: Redis) -> None:
        super().__init__("choice", settings)
        runner = ChoiceRunner(settings, redis, self.send)
        self.topics = [CHOICES, CHOICE_REPORTS]
        for topic in (EXPOSURES_BY_ACTOR, FORECASTS):
            self.add(topic, runner)
        self.figures = PlatformFigures(settings, redis, lambda: [task_of(entry) for entry in runner.held.values()])
        self.needs["redis"] = lambda: runner.writer.dependency.error or self.figures.writer.dependency.error
        self.awaited["redis"] = redis.ping

    async def step(self) -> None:
        await super().step()
        self.figures.look()

    async def stop(self, in_order: bool) -> None:
        await self.figures.stop()
        await super().stop(in_order)


async def main(settings: ChoiceSettings) -> None:
    warm_up()
    redis = redis_connection.connect(settings)
    await ChoiceStages(settings, redis).run()
    await redis.aclose()
