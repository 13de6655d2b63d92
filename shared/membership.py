"""Whether a worker without partitions stands by, as it may, or has fallen out of its group for good."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import for_code

from shared import kafka
from shared.probes import Probe
from shared.settings import ServiceSettings


class MembershipProbe(Probe):
    """While this worker holds nothing, asks the group's coordinator whether others hold all of it.

    A worker that holds nothing, in a group that leaves a partition to nobody, for `OUT_SECONDS` in which the broker
    answered, is not coming back: its client library has given up, or believes in something that is no more.
    """

    OUT_SECONDS: Final = 30.0

    def __init__(
        self,
        settings: ServiceSettings,
        group: str,
        partitions: Callable[[], Mapping[str, int]],
        holds: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`partitions`: how many there are of each topic; `holds`: whether this worker has any of them."""
        super().__init__()
        self.group = group
        self._settings, self._partitions, self._holds, self._clock = settings, partitions, holds, clock
        self._admin: AIOKafkaAdminClient | None = None
        self._out_since: float | None = None

    def out(self) -> str | None:
        """A sentence if this worker is out of its group for good."""
        if self._out_since is None or self._holds():
            return None
        seconds = self._clock() - self._out_since
        if seconds <= self.OUT_SECONDS:
            return None
        return f"no partition here, and partitions that nobody in {self.group} holds, for {seconds:.0f} s"

    async def look(self) -> None:
        # A look that fails tells nothing: the broker may be away.
        out_since, self._out_since = self._out_since, None
        if self._holds():
            await self._close()
            return
        held = await self._held_by_anybody()
        if held is not None and any(held.get(topic, 0) < count for topic, count in self._partitions().items()):
            self._out_since = self._clock() if out_since is None else out_since

    async def _held_by_anybody(self) -> dict[str, int] | None:
        """Partitions of each topic that a member of the group has, as `held_by`. Raises KafkaError."""
        if self._admin is None:
            admin = kafka.admin_client(self._settings)
            try:
                await admin.start()
            except BaseException:
                await admin.close()
                raise
            self._admin = admin
        (answer,) = await self._admin.describe_consumer_groups([self.group])
        code, _, _, _, _, members, *_ = answer.groups[0]
        if code:
            raise for_code(code)(self.group)
        return held_by(members)

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            await self._close()

    async def _close(self) -> None:
        if self._admin is not None:
            admin, self._admin = self._admin, None
            await admin.close()


def held_by(members: list[tuple[Any, ...]]) -> dict[str, int] | None:
    """Partitions of each topic in the assignments that `DescribeGroups` answers with, one member a row. None where they
    are not told: while the group rebalances, and by brokers that do not read them (the embedded one).
    """
    held: dict[str, int] = {}
    for *_, assignment in members:
        if not assignment:
            return None
        for topic, partitions in ConsumerProtocol.ASSIGNMENT.decode(assignment).assignment:
            held[topic] = held.get(topic, 0) + len(partitions)
    return held
