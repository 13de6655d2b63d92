"""Looks at broker and Redis once a second, whether or not there is work: what `/readyz` says must be true now."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from shared import kafka, redis_connection
from shared.dependency import ERROR_CHARACTERS
from shared.settings import ServiceSettings

EVERY_SECONDS = 1.0
# A dependency that takes longer to answer counts as away: with EVERY_SECONDS it is seen within 5 s.
ANSWER_SECONDS = 3.0


class Probe(ABC):
    """`error` says what is wrong now, None: nothing. `run` keeps it true until cancelled."""

    def __init__(self) -> None:
        self.error: str | None = "not reached yet"

    @abstractmethod
    async def look(self) -> None:
        """One look. Raises what is wrong."""

    async def run(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self.look(), ANSWER_SECONDS)
            except TimeoutError:
                self.error = f"no answer within {ANSWER_SECONDS:.0f} s"
            except (KafkaError, RedisError, OSError) as error:
                self.error = (f"{type(error).__name__}: {error}")[:ERROR_CHARACTERS]
            else:
                self.error = None
            await asyncio.sleep(EVERY_SECONDS)


class BrokerProbe(Probe):
    """Asks the leaders of the partitions that this worker reads where they end: also how far behind it is, without
    trust in the consumer whose progress is in question.
    """

    def __init__(self, settings: ServiceSettings, places: Callable[[], Collection[TopicPartition]]) -> None:
        super().__init__()
        self.ends: dict[TopicPartition, int] = {}
        self._settings = settings
        self._places = places
        self._consumer: AIOKafkaConsumer | None = None

    async def look(self) -> None:
        if self._consumer is None:
            consumer = kafka.consumer(self._settings, request_timeout_ms=round(ANSWER_SECONDS * 1000))
            self._consumer = await kafka.started(consumer)
        places = list(self._places())
        if places:
            self.ends = await self._consumer.end_offsets(places)
        else:
            await self._consumer.topics()

    def behind(self, place: TopicPartition, offset: int) -> int:
        """Messages after `offset`, as of the last look."""
        return max(0, self.ends.get(place, 0) - offset - 1)

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            if self._consumer is not None:
                await self._consumer.stop()


class RedisProbe(Probe):
    """Asks Redis for a sign of life over a connection of its own."""

    def __init__(self, settings: ServiceSettings) -> None:
        super().__init__()
        self._redis: Any = redis_connection.connect(settings)

    async def look(self) -> None:
        await self._redis.ping()

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            await self._redis.aclose()
