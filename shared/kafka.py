"""Producers, consumers and topics as Truelike sets them up (aiokafka)."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.helpers import create_ssl_context

from shared.dependency import Dependency
from shared.faust_transport import FETCH_MAX_WAIT_MS
from shared.frames import Output
from shared.settings import ServiceSettings
from shared.topics import TOPICS, Topic

T = TypeVar("T")

MAX_MESSAGE_BYTES = 4 << 20
# Frames of several partitions that go to one become one batch; a broker that answers a fetch batch by batch (the
# embedded one) then keeps up.
LINGER_MS = 40
# A broker that is away is waited for: what is not acknowledged stays in the producer, input stops.
REQUEST_SECONDS = 120
# Group settings under which a new worker sees its first frame after 4 s instead of 30 s.
SESSION_SECONDS = 6
HEARTBEAT_SECONDS = 1
# A group's leader that could not learn of the topics, because the broker went away, hands out nothing. It learns of
# them, and has the group join anew, when it looks again: after five minutes, if nobody says how often.
METADATA_SECONDS = 3
# A member that reads nothing for so long leaves its group, and does not come back while it has nothing to read. One
# that stands by reads nothing, and one that hangs ends (shared/loop_watch.py).
LONGEST_SILENCE_SECONDS = 10 * 365 * 86400


def security(settings: ServiceSettings) -> dict[str, Any]:
    """What a client of aiokafka needs to be let in. Raises OSError where a certificate cannot be read."""
    protocol = settings.kafka_security_protocol
    found: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        found["ssl_context"] = tls(settings)
    if protocol.startswith("SASL"):
        assert settings.kafka_password is not None
        found["sasl_mechanism"] = settings.kafka_sasl_mechanism
        found["sasl_plain_username"] = settings.kafka_username
        found["sasl_plain_password"] = settings.kafka_password.get_secret_value()
    return found


def tls(settings: ServiceSettings) -> ssl.SSLContext:
    """Checks the brokers' certificates and names, and shows the own one if there is one."""
    cafile, certfile, keyfile = (
        str(path) if path is not None else None
        for path in (settings.kafka_ca_file, settings.kafka_cert_file, settings.kafka_key_file)
    )
    return create_ssl_context(cafile=cafile, certfile=certfile, keyfile=keyfile)


def producer(settings: ServiceSettings, linger_ms: int = LINGER_MS, **options: Any) -> AIOKafkaProducer:
    made = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        acks="all",
        enable_idempotence=settings.kafka_idempotence,
        linger_ms=linger_ms,
        max_request_size=MAX_MESSAGE_BYTES,
        max_batch_size=256 * 1024,
        request_timeout_ms=REQUEST_SECONDS * 1000,
        **security(settings),
        **options,
    )
    # aiokafka gives a batch up that has found no leader within the time for a request; there is no setting for it.
    made._message_accumulator._batch_ttl = math.inf
    return made


def consumer(settings: ServiceSettings, *topics: str, group: str | None = None, **options: Any) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        *topics,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=SESSION_SECONDS * 1000,
        heartbeat_interval_ms=HEARTBEAT_SECONDS * 1000,
        rebalance_timeout_ms=SESSION_SECONDS * 1000,
        max_poll_interval_ms=LONGEST_SILENCE_SECONDS * 1000,
        metadata_max_age_ms=METADATA_SECONDS * 1000,
        max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
        fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
        **security(settings),
        **options,
    )


async def started(client: Any) -> Any:
    """A consumer or producer, connected. One that cannot connect is stopped, so that nothing of it goes on. Raises
    KafkaError.
    """
    try:
        await client.start()
    except BaseException:
        await client.stop()
        raise
    return client


def admin_client(settings: ServiceSettings) -> AIOKafkaAdminClient:
    return AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers, **security(settings))


async def send(to: AIOKafkaProducer, output: Output) -> asyncio.Future[Any]:
    """Hand one output to the producer; the future is its acknowledgement."""
    value = None if output.tombstone else output.value
    return await when_there_is_room(
        lambda: to.send(output.topic, value, key=output.key, partition=output.partition, headers=output.headers)
    )


async def when_there_is_room(hand_over: Callable[[], Awaitable[T]]) -> T:
    """What `hand_over` to a producer returns, once it holds less than it may: not while the broker is away."""
    return await Dependency("kafka", KafkaTimeoutError, UnknownTopicOrPartitionError).when_available(hand_over)


async def create_topics(
    settings: ServiceSettings, replication: int = 1, topics: tuple[Topic, ...] = TOPICS
) -> list[str]:
    """Create what is missing. Returns the names created. Raises KafkaError where the broker refuses."""
    admin = admin_client(settings)
    await admin.start()
    try:
        present = set(await admin.list_topics())
        missing = [t for t in topics if t.name not in present]
        if not missing:
            return []
        answer = await admin.create_topics(
            [
                NewTopic(t.name, settings.partitions if t.keyed else 1, replication, topic_configs=t.config)
                for t in missing
            ]
        )
        for name, code, *why in answer.topic_errors:
            error = for_code(code)
            if code != 0 and error is not TopicAlreadyExistsError:
                raise error(f"cannot create topic {name}: {why[0] if why else ''}")
        return [t.name for t in missing]
    finally:
        await admin.close()


async def require_topics(settings: ServiceSettings, *names: str) -> None:
    """Raise KafkaError unless the topics exist with the configured number of partitions."""
    admin = admin_client(settings)
    await admin.start()
    try:
        wanted = {t.name: settings.partitions if t.keyed else 1 for t in TOPICS if t.name in names}
        found = {d["topic"]: len(d["partitions"]) for d in await admin.describe_topics(list(names))}
    finally:
        await admin.close()
    for name, count in wanted.items():
        if not found.get(name):
            raise KafkaError(f"topic {name} does not exist: run `truelike topics create`")
        if found[name] != count:
            raise KafkaError(f"topic {name} has {found[name]} partitions, PARTITIONS says {count}")
