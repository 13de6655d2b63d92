"""What is in a topic."""

from __future__ import annotations

from typing import Any

from aiokafka import TopicPartition

from shared import kafka
from shared.frames import Frame, from_message, lineage_of
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


async def read_frames(
    settings: ServiceSettings, topic: str, partitions: int = 1, only: int | None = None
) -> tuple[list[tuple[int, Frame]], int]:
    """Frames of a topic, or of one of its partitions, with their offsets, partition by partition, and how many
    repetitions after a crash were left out by lineage, as docs/reliability.md tells every reader to.
    """
    marks: dict[tuple[int, str], int] = {}
    found, repetitions = [], 0
    for record in await read_topic(settings, topic, partitions):
        if only not in (None, record.partition):
            continue
        lineage = lineage_of(record.headers)
        if lineage is not None:
            source = (record.partition, lineage.source)
            if lineage.place <= marks.get(source, -1):
                repetitions += 1
                continue
            marks[source] = lineage.place
        found.append((record.offset, from_message(record.value, record.headers)))
    return found, repetitions
