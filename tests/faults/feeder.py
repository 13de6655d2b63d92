"""Sends a log to `likes.v1` and `exposures.v1` at a rate, as a platform would, whatever happens to the broker."""

from __future__ import annotations

import asyncio
import bisect
import time

from shared import kafka
from shared.batches import BatchProducer
from shared.settings import ServiceSettings
from shared.topics import EXPOSURES, LIKES
from tests.background import Background
from tests.faults.log import Log, closing

STEP_SECONDS = 0.1
HURRIED_RATE = 20_000.0


class Feeder(Background):
    """A thread; `sent` messages are acknowledged once `join` returns."""

    def __init__(self, settings: ServiceSettings, log: Log, rate: float) -> None:
        super().__init__()
        self.settings, self.log, self.rate = settings, log, rate
        self.sent = 0

    def hurry(self) -> None:
        """Send the rest as fast as the platform takes it."""
        self.rate = HURRIED_RATE

    async def work(self) -> None:
        producer = kafka.producer(self.settings)
        await producer.start()
        sender = BatchProducer(producer, LIKES, self.settings.partitions)
        shower = BatchProducer(producer, EXPOSURES, self.settings.partitions)
        shown = 0
        while self.sent < len(self.log):
            part = slice(self.sent, min(len(self.log), self.sent + round(STEP_SECONDS * self.rate)))
            until = bisect.bisect_left(self.log.slates, part.stop, shown, key=lambda slate: slate[0])
            if until > shown:
                _, keys, values = zip(*self.log.slates[shown:until], strict=True)
                await shower.send(keys, values, round(time.time() * 1000))
                shown = until
            await sender.send(self.log.keys[part], self.log.values[part], round(time.time() * 1000))
            self.sent = part.stop
            await asyncio.sleep(STEP_SECONDS)
        for one in (sender, shower):
            await one.flush()
        # Each partition's last, so only once all before it is there.
        last = [closing(partition) for partition in range(self.settings.partitions)]
        keys, values = zip(*last, strict=True)
        await sender.send(keys, values, round(time.time() * 1000), range(len(last)))
        await sender.flush()
        await producer.stop()
