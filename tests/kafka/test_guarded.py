"""Everything guarded: Kafka with TLS and SCRAM, Redis with TLS and an ACL user, HTTP with tokens."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from redis import Redis as BlockingRedis

from shared import access_tokens, kafka
from shared.settings import ServiceSettings
from tests.faults.proxy import Proxy
from tests.kafka.server import ApacheKafka, Guard
from tests.likes import like
from truelike.cli.embedded import Redis, free_port
from truelike.cli.stack import SERVICES, Stack

pytestmark = pytest.mark.integration

KAFKA_PASSWORD, REDIS_PASSWORD = "kafka-geheim-81723", "redis-geheim-99120"
# As in docs/security.md.
ACL = "on ~truelike:* -@all +@read +@write +@transaction +@scripting +@connection -@dangerous"


class Closed:
    """A platform that lets in only who has a key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        authority = trustme.CA()
        self.authority = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.authority)
        issued = authority.issue_cert("127.0.0.1")
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        broker = folder / "broker.pem"
        broker.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        )
        self.kafka = ApacheKafka(folder, guard=Guard("truelike", KAFKA_PASSWORD, broker))
        self.redis = Redis(folder)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(tls)
        self.front = Proxy(free_port(), self.redis.port, tls)
        self.tokens = folder / "tokens.json"
        self.shown = {
            scope: access_tokens.add(self.tokens, scope, frozenset({scope}), 1000)
            for scope in ("likes:write", "read", "user:u0")
        }
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.kafka.guarded_port}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_USERNAME": "truelike",
            "KAFKA_PASSWORD": KAFKA_PASSWORD,
            "KAFKA_CA_FILE": str(self.authority),
            "REDIS_URL": f"rediss://127.0.0.1:{self.front.port}/0",
            "REDIS_USERNAME": "truelike",
            "REDIS_PASSWORD": REDIS_PASSWORD,
            "REDIS_CA_FILE": str(self.authority),
            "ACCESS_TOKENS_FILE": str(self.tokens),
            "PARTITIONS": "2",
            "INGEST_IDLE_SECONDS": "2",
            "EVENT_TIME_SPEED": "600",
        }
        self.settings = ServiceSettings.model_validate({k.lower(): v for k, v in self.environment.items()})
        self.stack = Stack(folder, self.environment)

    def start(self) -> None:
        self.kafka.start()
        self.redis.start()
        self.front.start()
        with BlockingRedis(port=self.redis.port) as admin:
            admin.execute_command("ACL", "SETUSER", "truelike", f">{REDIS_PASSWORD}", *ACL.split())
            admin.execute_command("ACL", "SETUSER", "default", "off")
        asyncio.run(kafka.create_topics(self.settings))

    def stop(self) -> None:
        self.stack.stop()
        self.front.stop()
        self.redis.stop()
        self.kafka.stop()

    def checks(self, label: str) -> dict[str, str]:
        return dict(httpx.get(f"{self.stack.url(label)}/readyz").json()["checks"])


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Closed]:
    platform = Closed(tmp_path)
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_whole_way_through_closed_doors(closed: Closed) -> None:
    for name in SERVICES:
        closed.stack.start(name)
    closed.stack.wait_ready(*SERVICES)
    ingest, console = closed.stack.url("ingest"), closed.stack.url("console")
    events = [like(n, f"u{n % 5}", f"song{(n * 7) % 23}", n) for n in range(60)]
    assert httpx.post(f"{ingest}/v1/likes", json=events).status_code == 401
    assert httpx.post(f"{ingest}/v1/likes", json=events, headers=bearer(closed.shown["read"])).status_code == 403
    taken = httpx.post(f"{ingest}/v1/likes", json=events, headers=bearer(closed.shown["likes:write"]))
    assert taken.json()["accepted"] == 60
    assert httpx.get(f"{console}/v1/users/u0/predictions").status_code == 401
    deadline = time.monotonic() + 60
    for path in ("/v1/users/u0/predictions", "/v1/actors/u0"):
        while (answer := httpx.get(console + path, headers=bearer(closed.shown["read"]))).status_code == 404:
            assert time.monotonic() < deadline, path
            time.sleep(0.3)
        assert answer.status_code == 200, answer.text
    own = {user: f"{console}/v1/users/{user}/predictions" for user in ("u0", "u1")}
    found = {user: httpx.get(path, headers=bearer(closed.shown["user:u0"])) for user, path in own.items()}
    assert {user: answer.status_code for user, answer in found.items()} == {"u0": 200, "u1": 403}
    metrics = "".join(
        httpx.get(f"{closed.stack.url(n)}/metrics", headers=bearer(closed.shown["read"])).text for n in SERVICES
    )
    assert "truelike_likes_total" in metrics
    assert closed.stack.stop() == dict.fromkeys(SERVICES, 0)
    nothing_said(closed, metrics)


def test_who_has_no_key_waits_outside_and_says_so(closed: Closed) -> None:
    refused: list[tuple[str, dict[str, str], str]] = [
        ("ingest", {"KAFKA_PASSWORD": "wrong-geheim-1"}, "broker"),
        # A certificate of somebody else: the system's authorities do not know ours.
        ("ingest", {"KAFKA_CA_FILE": ""}, "broker"),
        ("console", {"REDIS_PASSWORD": "wrong-geheim-2"}, "redis"),
        ("console", {"REDIS_CA_FILE": ""}, "redis"),
        (
            "console",
            {"REDIS_URL": f"redis://127.0.0.1:{closed.redis.port}/0", "REDIS_USERNAME": "", "REDIS_PASSWORD": ""},
            "redis",
        ),
    ]
    said = []
    for name, environment, check in refused:
        closed.stack.start(name, **environment)
        closed.stack.wait_listening(name)
        time.sleep(5)
        checks = closed.checks(name)
        assert checks[check] != "ok", (environment, checks)
        assert closed.stack.processes[name].poll() is None
        said.append(str(checks))
        assert closed.stack.stop(name) == {name: 0}
    nothing_said(closed, "".join(said))


def nothing_said(closed: Closed, more: str) -> None:
    """No password and no token in any log, in metrics, or in what `/readyz` says."""
    logs = "".join(path.read_text() for path in closed.folder.glob("*.log") if path.name != "valkey.log")
    assert "listening" in logs
    secrets: list[Any] = [KAFKA_PASSWORD, REDIS_PASSWORD, "wrong-geheim", *closed.shown.values()]
    for secret in secrets:
        assert secret not in logs + more
    for identifier in ("song7", '"u0"', "u0@"):
        assert identifier not in logs
