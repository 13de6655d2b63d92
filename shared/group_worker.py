"""A member of a group with plain aiokafka: for who makes a message from several partitions, as no Faust agent does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError

from shared import kafka
from shared.frames import Output
from shared.partitions import Partitions
from shared.settings import ServiceSettings
from shared.worker import Worker

log = structlog.get_logger()


class GroupWorker(Worker, ConsumerRebalanceListener):  # type: ignore[misc]
    """Takes up partitions of a topic from their snapshots, and commits behind them. A subclass sets `partitions`, and
    its step fetches.
    """

    partitions: Partitions

    def __init__(self, name: str, settings: ServiceSettings, topic: str, group: str, others: Sequence[str]) -> None:
        """`others`: topics besides the one it reads that must be there before it starts."""
        super().__init__(name, settings, [topic, *others])
        self.topic, self.group = topic, group
        self.producer: AIOKafkaProducer | None = None
        self.consumer: AIOKafkaConsumer | None = None
        self._failure: Exception | None = None
        self.in_group(group, lambda: {topic: settings.partitions}, lambda: bool(self.partitions.held))

    def positions(self) -> dict[TopicPartition, int]:
        return {TopicPartition(self.topic, p): entry.offset for p, entry in self.partitions.held.items()}

    async def send(self, output: Output) -> asyncio.Future[Any]:
        assert self.producer is not None
        return await kafka.send(self.producer, output)

    async def start(self) -> None:
        self.producer = kafka.producer(self.settings)
        self.consumer = kafka.consumer(self.settings, group=self.group)
        await self.producer.start()
        self.consumer.subscribe([self.topic], listener=self)
        await self.consumer.start()

    async def fetch(self, timeout_ms: int, most: int) -> dict[int, Sequence[Any]]:
        """Messages by partition. Raises what kept a partition from being taken up."""
        assert self.consumer is not None
        if self._failure is not None:
            raise self._failure
        fetched = await self.consumer.getmany(timeout_ms=timeout_ms, max_records=most)
        return {place.partition: records for place, records in fetched.items()}

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        assert self.consumer is not None
        try:
            for place in sorted(assigned):
                await self.partitions.assign(place.partition)
                # Without a snapshot everything is read again: what was sent before is ignored downstream.
                self.consumer.seek(place, self.partitions.held[place.partition].offset + 1)
        except Exception as error:
            # aiokafka would log it, and go on without anybody who reads these partitions.
            self._failure = error
            raise

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        lost = [place.partition for place in revoked]
        try:
            # The group waits no longer; what is not saved by then is read again by who comes next.
            await asyncio.wait_for(self.save(lost), kafka.SESSION_SECONDS / 2)
        except TimeoutError:
            log.warning("partitions left without a last snapshot")
        for partition in lost:
            self.partitions.drop(partition)

    async def save(self, partitions: Iterable[int]) -> None:
        """Snapshots, then commits."""
        done = await self.partitions.checkpoint_held(partitions)
        if done:
            assert self.consumer is not None
            try:
                await self.consumer.commit({TopicPartition(self.topic, p): offset + 1 for p, offset in done.items()})
            except CommitFailedError:
                # The group has moved on; who has the partitions now starts from the snapshots.
                log.warning("offsets not committed: the group has changed")

    async def stop(self, in_order: bool) -> None:
        if in_order:
            await self.save(list(self.partitions.held))
        for client in (self.consumer, self.producer):
            if client is not None:
                await client.stop()

    def missing(self) -> dict[str, str | None]:
        return {
            "partitions": None if self.partitions.held else "none assigned",
            "disk": self.partitions.disk.error,
        }
