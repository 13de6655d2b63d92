"""Choice: whose choice likes were, from forecasts and exposures; reports for users, figures of the platform."""

from __future__ import annotations

from services.choice.platform import PlatformFigures
from services.choice.runner import ChoiceRunner
from services.choice.settings import ChoiceSettings
from services.choice.warm_up import warm_up
from shared import redis_connection
from shared.faust_stages import FaustStages
from shared.joining import task_of
from shared.topics import CHOICE_REPORTS, CHOICES, EXPOSURES_BY_ACTOR, FORECASTS


async def main(settings: ChoiceSettings) -> None:
    """One joining stage, and the platform's figures beside it."""
    warm_up()
    redis = redis_connection.connect(settings)
    stages = FaustStages("choice", settings)
    runner = ChoiceRunner(settings, redis, stages.send, stages.send_many)
    stages.topics = [CHOICES, CHOICE_REPORTS]
    for topic in (EXPOSURES_BY_ACTOR, FORECASTS):
        stages.add(topic, runner)
    stages.jobs = [PlatformFigures(settings, redis, lambda: [task_of(entry) for entry in runner.held.values()])]
    stages.needs_redis(redis, runner.writer)
    await stages.run()
    await redis.aclose()
