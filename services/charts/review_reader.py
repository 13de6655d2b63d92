"""Reads `reviews.v1` into memory: from its beginning, in every process that needs it, as it is small and compacted."""

from __future__ import annotations

from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from services.charts.review_table import ReviewTable
from shared import kafka
from shared.dependency import Dependency
from shared.settings import ServiceSettings
from shared.topics import REVIEWS

log = structlog.get_logger()

_PLACE: Final = TopicPartition(REVIEWS, 0)
_WAIT_MS: Final = 200


class ReviewReader:
    """`position`: up to where `table` is of the log."""

    def __init__(self, settings: ServiceSettings, most: int) -> None:
        self.table = ReviewTable(most)
        self.position = 0
        self.dependency = Dependency("kafka", KafkaError)
        self._settings = settings
        self._consumer: AIOKafkaConsumer | None = None

    async def catch_up(self) -> None:
        """Until all is read that the topic held when this was called. Waits while the broker is away."""
        consumer = await self.dependency.when_available(self._started)
        end = await self.dependency.when_available(lambda: self._end(consumer))
        while self.position < end:
            fetched = await self.dependency.when_available(lambda: consumer.getmany(_PLACE, timeout_ms=_WAIT_MS))
            self._take(fetched.get(_PLACE, []))
            # Past what compaction took away, too.
            self.position = await self.dependency.when_available(lambda: consumer.position(_PLACE))

    def _take(self, records: list[Any]) -> None:
        for refused in self.table.take([(record.key, record.value) for record in records]):
            place = records[refused.index].offset
            log.warning("a review does not fit", topic=REVIEWS, offset=place, fields=refused.fields)

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = await kafka.started(kafka.consumer(self._settings))
            consumer.assign([_PLACE])
            consumer.seek(_PLACE, 0)
            self._consumer = consumer
        return self._consumer

    async def _end(self, consumer: AIOKafkaConsumer) -> int:
        return int((await consumer.end_offsets([_PLACE]))[_PLACE])

    async def stop(self) -> None:
        if self._consumer is not None:
            await self._consumer.stop()
