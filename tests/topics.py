"""What is in a topic."""

from __future__ import annotations

from typing import Any

from aiokafka import TopicPartition

from shared import kafka
from shared.settings import ServiceSettings


async def read_topic(settings: ServiceSettings, topic: str, partitions: int = 1) -> list[Any]:
    """All records, partition by partition in order."""
    consumer = kafka.consumer(settings)
    await consumer.start()
    try:
        places = [TopicPartition(topic, p) for p in range(partitions)]
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        ends, found = await consumer.end_offsets(places), []
        while any([await consumer.position(p) < ends[p] for p in places]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
    finally:
        await consumer.stop()
    return found
