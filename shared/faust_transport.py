"""Faust's aiokafka transport with a shorter wait for data.

Faust fixes `fetch_max_wait_ms` at 1,500. Apache Kafka answers a waiting fetch as soon as there is data; the
embedded broker looks again only now and then, so that each of a like's four hops would take about half a second
(docs/decisions/0004).
"""

from __future__ import annotations

from typing import Any

from faust.transport.drivers import aiokafka as driver

FETCH_MAX_WAIT_MS = 200


class PromptConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        return consumer


class PromptConsumer(driver.Consumer):  # type: ignore[misc]
    def _new_consumer_thread(self) -> PromptConsumerThread:
        return PromptConsumerThread(self, loop=self.loop, beacon=self.beacon)


class PromptTransport(driver.Transport):  # type: ignore[misc]
    Consumer = PromptConsumer
