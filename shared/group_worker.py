"""A member of a group with plain aiokafka: for who makes a message from several partitions, as no Faust agent does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import CommitFailedError, IllegalStateError

from shared import kafka
from shared.frames import Output
from shared.partitions import Partitions
from shared.settings import ServiceSettings
from shared.worker import Worker

log = structlog.get_logger()


class GroupWorker(Worker, ConsumerRebalanceListener):  # type: ignore[misc]
    """Takes up partitions of topics from their snapshots, and commits behind them. A subclass's step fetches. All
    topics have equally many partitions; partition p of each goes to the same member.
    """

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        partitions: Mapping[str, Partitions],
        group: str,
        others: Sequence[str],
    ) -> None:
        """`partitions`: by topic that it reads; `others`: topics besides those that must be there before it starts."""
        super().__init__(name, settings, [*partitions, *others])
        self.partitions, self.group = partitions, group
        self.producer: AIOKafkaProducer | None = None
        self.consumer: AIOKafkaConsumer | None = None
        self._failure: Exception | None = None
        self.in_group(group, lambda: dict.fromkeys(partitions, settings.partitions), self._holds)

    def _holds(self) -> bool:
        return any(of_topic.held for of_topic in self.partitions.values())

    def positions(self) -> dict[TopicPartition, int]:
        return {
            TopicPartition(topic, p): entry.offset
            for topic, of_topic in self.partitions.items()
            for p, entry in of_topic.held.items()
        }

    async def send(self, output: Output) -> asyncio.Future[Any]:
        assert self.producer is not None
        return await kafka.send(self.producer, output)

    async def start(self) -> None:
        self.producer = kafka.producer(self.settings)
        self.consumer = kafka.consumer(
            self.settings, group=self.group, partition_assignment_strategy=(RangePartitionAssignor,)
        )
        await self.producer.start()
        self.consumer.subscribe(list(self.partitions), listener=self)
        await self.consumer.start()

    async def fetch(self, timeout_ms: int, most: int) -> Mapping[TopicPartition, Sequence[Any]]:
        """Messages by topic and partition. Raises what kept a partition from being taken up."""
        assert self.consumer is not None
        if self._failure is not None:
            raise self._failure
        fetched: Mapping[TopicPartition, Sequence[Any]] = await self.consumer.getmany(
            timeout_ms=timeout_ms, max_records=most
        )
        return fetched

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        assert self.consumer is not None
        try:
            for place in sorted(assigned):
                of_topic = self.partitions[place.topic]
                await of_topic.assign(place.partition)
                # Without a snapshot everything is read again: what was sent before is ignored downstream.
                self.consumer.seek(place, of_topic.held[place.partition].offset + 1)
        except Exception as error:
            # aiokafka would log it, and go on without anybody who reads these partitions.
            self._failure = error
            raise

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        lost = list(revoked)

        async def save() -> None:
            for topic in self.partitions:
                await self.save(topic, [place.partition for place in lost if place.topic == topic])

        try:
            # The group waits no longer; what is not saved by then is read again by who comes next.
            await asyncio.wait_for(save(), kafka.SESSION_SECONDS / 2)
        except TimeoutError:
            log.warning("partitions left without a last snapshot")
        for place in lost:
            self.partitions[place.topic].drop(place.partition)

    async def save(self, topic: str, partitions: Iterable[int]) -> None:
        """Snapshots, then commits."""
        done = await self.partitions[topic].checkpoint_held(partitions)
        if done:
            assert self.consumer is not None
            try:
                await self.consumer.commit({TopicPartition(topic, p): offset + 1 for p, offset in done.items()})
            except (CommitFailedError, IllegalStateError):
                # Before the broker knew of the commit, or before this process asked for it.
                # The group has moved on; who has the partitions now starts from the snapshots.
                log.warning("offsets not committed: the group has changed")

    async def stop(self, in_order: bool) -> None:
        if in_order:
            for topic, of_topic in self.partitions.items():
                await self.save(topic, list(of_topic.held))
        for client in (self.consumer, self.producer):
            if client is not None:
                await client.stop()

    def missing(self) -> dict[str, str | None]:
        return {
            "partitions": None if self._holds() else "none assigned",
            "disk": next((p.disk.error for p in self.partitions.values() if p.disk.error), None),
        }
