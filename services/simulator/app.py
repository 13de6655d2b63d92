"""Simulator: a made world's likes to `likes.v1`, and what was shown in it to `exposures.v1`."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import asdict

import structlog
from starlette.applications import Starlette

from services.simulator.sender import Simulator, begin
from services.simulator.settings import SimulatorSettings
from shared import kafka
from shared.batches import BatchProducer
from shared.dependency import until_available
from shared.health import Health
from shared.service import Service
from shared.topics import EXPOSURES, LIKES

log = structlog.get_logger()


async def main(settings: SimulatorSettings) -> None:
    simulator = Simulator(settings, begin(settings, int(time.time() * 1000)))
    log.info("simulated world", bot_share=settings.simulator_bot_share, **asdict(settings.pace))
    health = Health(
        "simulator",
        lambda: {"broker": None if simulator.producer is not None else "not connected"},
        lambda: {"progress": None},
        simulator.samples,
    )
    async with Service("simulator", settings, Starlette(routes=health.routes()), health) as service:
        if not await until_available(
            "kafka", lambda: kafka.require_topics(settings, LIKES, EXPOSURES), service.stopping
        ):
            return
        producer = kafka.producer(settings)
        await producer.start()
        simulator.slates_producer = BatchProducer(producer, EXPOSURES, settings.partitions)
        simulator.producer = BatchProducer(producer, LIKES, settings.partitions)
        # SIGUSR1: send no more, but stay, so that figures can be compared while the likes drain.
        enough = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, enough.set)
        await simulator.run(service.stopping, enough)
        await producer.stop()
        # Its figures stay readable until it is told to go.
        await service.stopping.wait()
