"""Whatever a request holds, the answer is one that the OpenAPI description tells of (schemathesis)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from shared import redis_keys
from tests.integration.platform import Platform
from tests.likes import crowd
from tests.unit.console.test_choice_routes import PLATFORM

pytestmark = pytest.mark.integration

settings.register_profile(
    "openapi", deadline=None, max_examples=60, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    running = Platform(tmp_path_factory.mktemp("platform"))
    try:
        events = crowd(seed=9)
        asyncio.run(running.send(events))
        running.wait("predictor/predictor_likes_total", len(events))
        # What the service that measures choices writes, so that not all is 404.
        with redis.Redis.from_url(running.redis.url) as store:
            store.set(redis_keys.PLATFORM_CHOICE, PLATFORM.model_dump_json())
        yield running
    finally:
        running.stop()


@pytest.mark.parametrize("service", ["ingest", "console"])
def test_answers_are_as_described(platform: Platform, service: str) -> None:
    description = schemathesis.openapi.from_url(f"{platform.stack.url(service)}/openapi.json")
    operations = [found.ok() for found in description.get_all_operations()]
    assert operations
    for operation in operations:

        @settings(settings.get_profile("openapi"))
        @given(case=operation.as_strategy())
        def answers(case: Any) -> None:
            # What a schema cannot say may still be refused: a like that lies in the future, say.
            case.call_and_validate(excluded_checks=[positive_data_acceptance])

        answers()
