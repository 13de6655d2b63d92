"""Connector: what is not Kafka in, canonical likes out."""

from __future__ import annotations

import asyncio

import structlog
from starlette.applications import Starlette

from services.connector.kind import Worker
from services.connector.settings import ConnectorSettings
from shared import kafka
from shared.checkpoints import Fenced
from shared.dependency import until_available
from shared.health import Health
from shared.probes import BrokerProbe
from shared.service import Service
from shared.topics import LIKES, LIKES_REJECTED, TRUSTED_LIKES

log = structlog.get_logger()

TOPICS = (LIKES, LIKES_REJECTED, TRUSTED_LIKES)


async def main(settings: ConnectorSettings, worker: Worker) -> None:
    probe = BrokerProbe(settings, list)

    def ready() -> dict[str, str | None]:
        return {"broker": probe.error, **worker.ready()}

    health = Health("connector", ready, lambda: worker.live(ready().values()), worker.samples)
    app = Starlette(routes=[*health.routes(), *worker.routes()])
    async with Service("connector", settings, app, health, [probe], worker.write_routes) as service:
        if not await until_available("kafka", lambda: kafka.require_topics(settings, *TOPICS), service.stopping):
            return
        working = asyncio.create_task(worker.run())
        stopped = asyncio.create_task(service.stopping.wait())
        await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
        working.cancel()
        stopped.cancel()
        await asyncio.wait([working])
        await worker.finish()
        if not working.cancelled():
            _say_why(working)


def _say_why(working: asyncio.Task[None]) -> None:
    try:
        working.result()
    except Fenced as error:
        log.error("ended: another connector of this kind and name goes on", error=str(error))
        raise SystemExit(1) from None
