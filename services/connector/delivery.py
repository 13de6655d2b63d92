"""Messages on their way to Kafka: so many at once, and none counted as sent before the broker says so."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer

from shared import kafka
from shared.frames import Output
from shared.settings import ServiceSettings

log = structlog.get_logger()

# What a producer whose broker is away still holds is sent again by whoever goes on from the cursor.
CLOSE_SECONDS: Final = 3.0


class Delivery:
    """One producer at a time. After a KafkaError it is closed and another one opened: what failed, stays failed."""

    def __init__(self, settings: ServiceSettings, most_pending: int) -> None:
        self._settings = settings
        self._most_pending = most_pending
        self._producer: AIOKafkaProducer | None = None
        self._pending: deque[asyncio.Future[Any]] = deque()

    @property
    def is_open(self) -> bool:
        return self._producer is not None

    async def open(self) -> None:
        """Raises KafkaError."""
        await self.close()
        self._producer = await kafka.started(kafka.producer(self._settings))

    async def hand_over(self, outputs: Iterable[Output]) -> list[asyncio.Future[Any]]:
        """The acknowledgements to come. Waits while the producer has no room. Raises KafkaError."""
        assert self._producer is not None
        return [await kafka.send(self._producer, output) for output in outputs]

    async def send(self, outputs: Iterable[Output]) -> None:
        """Hand over, waiting while too many are not acknowledged. Raises KafkaError, also for earlier ones."""
        for output in outputs:
            while len(self._pending) >= self._most_pending:
                await self._oldest()
            self._pending += await self.hand_over([output])

    async def settle(self) -> None:
        """Wait until everything sent is acknowledged. Raises KafkaError."""
        while self._pending:
            await self._oldest()

    async def _oldest(self) -> None:
        """Given up while it waits, it still counts as not acknowledged."""
        await asyncio.shield(self._pending[0])
        self._pending.popleft()

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        for future in self._pending:
            future.cancel()
        self._pending.clear()
        if producer is not None:
            try:
                await asyncio.wait_for(producer.stop(), CLOSE_SECONDS)
            except TimeoutError:
                log.warning("producer closed with messages that the broker has not acknowledged")
