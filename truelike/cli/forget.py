"""`truelike forget USER`: one frame in trusted-likes.v1, then wait for what each service removed."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from shared import kafka, redis_connection, redis_keys
from shared.forgetting import Request, messages, reporters
from shared.settings import ServiceSettings


async def forget(settings: ServiceSettings, user_ids: Sequence[str], wait: float) -> dict[str, dict[str, int]]:
    """Ask for it and wait at most `wait` seconds. Returns the reports by service. Raises KafkaError, RedisError."""
    request = Request(uuid.uuid4().hex, list(dict.fromkeys(user_ids)), int(time.time() * 1000))
    producer = kafka.producer(settings, linger_ms=0)
    await producer.start()
    try:
        for message in messages(request, settings.partitions):
            await (await kafka.send(producer, message))
    finally:
        await producer.stop()
    redis: Any = redis_connection.connect(settings)
    deadline = time.monotonic() + wait
    found: dict[str, dict[str, int]] = {}
    try:
        while not set(reporters(user_ids, settings.partitions)) <= set(found) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
            reports = await redis.hgetall(redis_keys.forget_report(request.request_id))
            found = {service.decode(): msgspec.json.decode(value) for service, value in reports.items()}
    finally:
        await redis.aclose()
    return found
