"""The life of a process that reads Kafka, the same for all of them: what it waits for, what it says of itself, how it
ends.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import structlog
from aiokafka import TopicPartition
from starlette.applications import Starlette
from starlette.types import ASGIApp

from shared import kafka
from shared.auth import OwnRoutes
from shared.dependency import until_available
from shared.health import Health, Latency, Sample, StallWatch
from shared.membership import MembershipProbe
from shared.probes import BrokerProbe, Probe
from shared.service import Service
from shared.settings import ServiceSettings

log = structlog.get_logger()

# A step that waits for something that is away, when the process is told to stop, is given up after this.
STEP_SECONDS = 5.0


class Worker(ABC):
    """`run` lives until SIGTERM, or raises what went wrong. A worker says only what is its own: what it holds, what a
    step is, what it has to do at its start and its end.
    """

    # Of `missing`, what no wait for a dependency is: it must not excuse a standstill.
    OWN_STATE: frozenset[str] = frozenset()
    # Of `app`, where it tells of one user.
    OWN_ROUTES: Sequence[OwnRoutes] = ()

    def __init__(self, name: str, settings: ServiceSettings, topics: Sequence[str]) -> None:
        """`topics`: those that must be there before it starts."""
        self.name, self.settings, self.topics = name, settings, topics
        self.broker = BrokerProbe(settings, lambda: list(self.positions()))
        # None: no group hands out what it reads.
        self.membership: MembershipProbe | None = None
        self.probes: list[Probe] = [self.broker]
        # What besides its topics must answer before it starts, by name.
        self.awaited: dict[str, Callable[[], Awaitable[object]]] = {}
        # Whether `start` has come to its end.
        self.started = False
        self.progressed_at = time.monotonic()
        self._stall = StallWatch()

    @abstractmethod
    def positions(self) -> Mapping[TopicPartition, int]:
        """The partitions that it holds, with the offset up to which each is done."""

    @abstractmethod
    async def start(self) -> None:
        """Connect, and take up what a snapshot or Redis says."""

    @abstractmethod
    async def step(self) -> None:
        """Some work. Raises what the process must not go on after."""

    @abstractmethod
    async def stop(self, in_order: bool) -> None:
        """Leave. `in_order`: no step failed or was given up, so what is held may be saved."""

    @abstractmethod
    def samples(self) -> Iterable[Sample | Latency]:
        """Metrics, from the state itself."""

    def missing(self) -> dict[str, str | None]:
        """What it needs besides the broker, by name: None (fine) or what is wrong."""
        return {}

    def app(self, health: Health) -> ASGIApp:
        return Starlette(routes=health.routes())

    def in_group(self, group: str, partitions: Callable[[], Mapping[str, int]], holds: Callable[[], bool]) -> None:
        """Once it has started it is a member of a group that hands out these partitions (how many, by topic)."""
        self.membership = MembershipProbe(self.settings, group, partitions, lambda: not self.started or holds())
        self.probes.append(self.membership)

    def lag(self) -> dict[TopicPartition, int]:
        """Messages behind, as of the last look at the broker."""
        return {place: self.broker.behind(place, offset) for place, offset in self.positions().items()}

    def ready(self) -> dict[str, str | None]:
        return {"broker": self.broker.error, **self.missing()}

    def live(self) -> dict[str, str | None]:
        away = [why for name, why in self.ready().items() if name not in self.OWN_STATE]
        return {"progress": self._stall.stalled(sum(self.lag().values()), self.progressed_at, away, time.monotonic())}

    def vital(self) -> dict[str, str | None]:
        return {"group": self.membership.out()} if self.membership is not None else {}

    async def run(self) -> None:
        health = Health(self.name, self.ready, self.live, self.samples, self.vital)
        app = self.app(health)
        async with Service(self.name, self.settings, app, health, self.probes, own_routes=self.OWN_ROUTES) as service:
            awaited = {"kafka": lambda: kafka.require_topics(self.settings, *self.topics), **self.awaited}
            for name, attempt in awaited.items():
                if not await until_available(name, attempt, service.stopping):
                    return
            in_order = False
            try:
                in_order = await self._work(service.stopping)
            finally:
                await self.stop(in_order)

    async def _work(self, stopping: asyncio.Event) -> bool:
        """Start, then steps until told to stop; whether the last one came to its
        end. Raises what a step raises."""
        working = asyncio.create_task(self._steps(stopping))
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        await asyncio.wait([working], timeout=STEP_SECONDS)
        if not working.done():
            log.warning("a step was given up", seconds=STEP_SECONDS)
            working.cancel()
            await asyncio.wait([working])
        if working.cancelled():
            return False
        working.result()
        return True

    async def _steps(self, stopping: asyncio.Event) -> None:
        await self.start()
        self.started = True
        while not stopping.is_set():
            await self.step()
