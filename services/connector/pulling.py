"""Runs a source that is read: its cursor is saved only behind what the broker has acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog
from aiokafka.errors import KafkaError
from starlette.routing import BaseRoute

from services.connector.delivery import Delivery
from services.connector.kind import Kind, Pulled
from services.connector.lease import Lease
from services.connector.settings import ConnectorSettings
from shared.auth import WriteRoutes
from shared.checkpoints import Checkpoint, CheckpointStore, Fenced
from shared.dependency import Dependency
from shared.frames import Output
from shared.health import Sample, StallWatch

log = structlog.get_logger()

FINISH_SECONDS: Final = 4.0


class Puller:
    """One source, one cursor. Killed at any moment it goes on from the last snapshot; what comes again after that has
    the ids that it had before.
    """

    def __init__(self, settings: ConnectorSettings, kind: str, source: Pulled) -> None:
        self.source = source
        self.delivery = Delivery(settings, settings.connector_max_pending)
        self.kafka = Dependency("kafka", KafkaError)
        self.kafka.error = "not connected yet"
        self.disk = Dependency("disk", OSError)
        self._kind = kind
        self._store = CheckpointStore(settings.checkpoint_dir, f"connector-{kind}-{settings.connector_name}")
        self._lease = Lease(self._store.folder / "lease")
        self._seconds = settings.checkpoint_seconds
        self._number = 0
        # Whether all that the state contains was handed over: else it must not be saved.
        self._whole = False
        self._saved_at = self._progressed_at = time.monotonic()
        self._stall = StallWatch()

    @property
    def write_routes(self) -> WriteRoutes:
        return WriteRoutes(frozenset())

    def routes(self) -> list[BaseRoute]:
        return []

    async def run(self) -> None:
        """Until cancelled. Raises Fenced where another connector has taken the cursor."""
        await self._lease.wait()
        await self.disk.when_available(self._acquire)
        await self.kafka.when_available(self._session)

    async def _load(self) -> Checkpoint | None:
        return self._store.load(0)

    async def _acquire(self) -> None:
        self._store.acquire(0)

    async def _session(self) -> None:
        """Read until the broker fails: then from the saved cursor again, since nobody knows what it took."""
        self._whole = False
        await self.delivery.open()
        await self._restore()
        self.kafka.error = None
        await self.source.run(self.emit)

    async def _restore(self) -> None:
        saved = await self.disk.when_available(self._load)
        if saved is None:
            self.source.begin(clock_ms())
            await self._save()
        else:
            self.source.restore(saved.facts["source"])
            self.source.counters.update(saved.facts["counters"])
            self._number = saved.offset
            self.source.changed = False
        self._whole, self._saved_at = True, time.monotonic()
        log.info("going on", kind=self._kind, cursor_ms=self.source.cursor_ms())

    async def emit(self, outputs: Sequence[Output]) -> None:
        """Send what the source's state already contains. Raises KafkaError."""
        self._whole = False
        try:
            await self.delivery.send(outputs)
        except OSError as error:
            # The source must not take it for one of its own, and go on without what was not sent.
            raise KafkaError(f"{type(error).__name__}: {error}") from error
        self._whole = True
        self._progressed_at = time.monotonic()
        if self.source.changed and self._progressed_at - self._saved_at >= self._seconds:
            await self._save()

    async def _save(self) -> None:
        await self.delivery.settle()
        await self.disk.when_available(self._write)
        self.source.changed = False
        self._saved_at = time.monotonic()

    async def _write(self) -> None:
        facts = {"source": self.source.facts(), "counters": dict(self.source.counters)}
        try:
            self._store.save(0, Checkpoint(self._number + 1, {}, facts))
        except Fenced:
            self._whole = False
            raise
        self._number += 1

    async def finish(self) -> None:
        """A last snapshot if the broker answers, so that a restart reads less again."""
        if self._whole and self.source.changed:
            try:
                await asyncio.wait_for(self._save(), FINISH_SECONDS)
            except (TimeoutError, KafkaError) as error:
                log.warning("stopped without a last snapshot", error=str(error))
        await self.delivery.close()
        self._lease.give_up()

    def ready(self) -> dict[str, str | None]:
        needs = (self._lease.dependency, self.kafka, self.disk, self.source.dependency)
        return {need.name: need.error for need in needs}

    def live(self, missing: Iterable[str | None]) -> dict[str, str | None]:
        # A source that is there is asked, or heard, all the time.
        return {"progress": self._stall.stalled(1, self._progressed_at, missing, time.monotonic())}

    def samples(self) -> Iterable[Sample]:
        labels = {"stage": "connector", "kind": self._kind}
        for name, value in self.source.counters.items():
            yield Sample(f"{name}_total", value, labels)
        lag = max(0.0, time.time() - self.source.cursor_ms() / 1000) if self.source.cursor_ms() else 0.0
        yield Sample("cursor_lag_seconds", lag, labels, "gauge")


def clock_ms() -> int:
    return int(time.time() * 1000)


def pulled(name: str, summary: str, example: str, source: Callable[[ConnectorSettings], Pulled]) -> Kind:
    """A kind that is read."""
    return Kind(name, summary, example, lambda settings: Puller(settings, name, source(settings)))
