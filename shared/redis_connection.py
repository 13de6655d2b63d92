"""Connections to Redis as the settings say: ACL user, TLS, and no wait without an end."""

from __future__ import annotations

from typing import Any

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared.settings import ServiceSettings

CONNECT_SECONDS = 3.0
# Longer than any script here takes; a Redis that is frozen or cut off is noticed, and waited for, instead.
ANSWER_SECONDS = 10.0


def options(settings: ServiceSettings) -> dict[str, Any]:
    """Keyword arguments of a redis client besides its URL."""
    found: dict[str, Any] = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": CONNECT_SECONDS}
    if settings.redis_username is not None:
        found["username"] = settings.redis_username
    if settings.redis_password is not None:
        found["password"] = settings.redis_password.get_secret_value()
    if settings.redis_ca_file is not None:
        found["ssl_ca_certs"] = str(settings.redis_ca_file)
    return found


def connect(settings: ServiceSettings) -> Redis:
    """A client. Connects when first used; whoever uses it decides what a failure means (`shared.dependency`)."""
    return Redis.from_url(settings.redis_url, retry=Retry(NoBackoff(), 0), **options(settings))


def connect_blocking(settings: ServiceSettings) -> BlockingRedis:
    """The same for programs without an event loop."""
    return BlockingRedis.from_url(settings.redis_url, **options(settings))
