"""What was fetched and is not taken in yet: a frame's messages are parsed together, however few each fetch brought."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition

from shared.partitions import Partition


class Gathered:
    """Records by partition, each with what held the partition as they were fetched."""

    def __init__(self, held: Callable[[TopicPartition], Partition | None]) -> None:
        self.count = 0
        self._held = held
        self._records: dict[TopicPartition, tuple[Partition, list[Any]]] = {}

    def add(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> None:
        """Right after the fetch: whatever is awaited from here on, the group may hand partitions out anew."""
        for place, records in fetched.items():
            if (entry := self._held(place)) is None:
                continue
            holder, waiting = self._records.get(place, (entry, []))
            if holder is not entry:
                # Given away and taken up again meanwhile: what waits is fetched again from where its snapshot ends.
                waiting = []
            self._records[place] = entry, [*waiting, *records]
        self.count = sum(len(records) for _, records in self._records.values())

    @property
    def topics(self) -> set[str]:
        """Those of which something waits."""
        return {place.topic for place in self._records}

    def take(self) -> dict[TopicPartition, tuple[Partition, list[Any]]]:
        """All that waits, by partition; then nothing does."""
        taken, self._records, self.count = self._records, {}, 0
        return taken
