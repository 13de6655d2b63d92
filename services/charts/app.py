"""Charts: what was liked most, by all likes and by people's; who likes what, and the loop that it is part of."""

from __future__ import annotations

from services.charts.loop_figures import LoopFigures
from services.charts.review_reader import ReviewReader
from services.charts.runner import ChartsRunner
from services.charts.saying import Saying
from services.charts.settings import ChartsSettings
from services.charts.warm_up import warm_up
from shared import redis_connection
from shared.faust_stages import FaustStages
from shared.partitions import Partition
from shared.topics import CHARTS, REVIEWS, TRUSTED_LIKES


async def main(settings: ChartsSettings) -> None:
    """One stage over the one partition of trusted likes, and what is said of it beside the loop."""
    warm_up()
    redis = redis_connection.connect(settings)
    stages = FaustStages("charts", settings)
    reviews = ReviewReader(settings, settings.charts_reviews)
    runner = ChartsRunner(settings, redis, stages.send, reviews.table)
    stages.topics = [CHARTS, REVIEWS]
    stages.add(TRUSTED_LIKES, runner)

    def held() -> list[Partition]:
        return list(runner.held.values())

    stages.jobs = [Saying(settings, redis, stages.send, held), LoopFigures(settings, redis, held, reviews)]
    stages.needs_redis(redis, runner.writer)
    await stages.run()
    await redis.aclose()
