"""A platform under test: Apache Kafka, Redis that survives a crash, and services, all on loopback."""

from __future__ import annotations

import asyncio
import random
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

from shared import kafka, redis_connection, redis_keys
from shared.settings import ServiceSettings
from shared.topics import TRUSTED_LIKES
from tests.faults.log import Log
from tests.faults.proxy import Proxy
from tests.kafka.server import ApacheKafka
from tests.quiescence import Quiescence
from truelike.cli.embedded import Redis
from truelike.cli.rebuild import rebuild
from truelike.cli.stack import SERVICES, Metrics, Stack, scrape

PARTITIONS = 4
# Silence must never be taken for idleness while likes are sent, or event time would depend on the clock.
IDLE_SECONDS = 600
# The latest likes of the log come 76 minutes behind others of their partition. What comes later than this is weighed
# with what is known by then, which depends on how partitions are read: by a step of weight, at times.
LATENESS_SECONDS = 6_000
# Once all is sent: verdicts on people are published as frames come, the last of them with those of idle time.
IDLE_AT_THE_END_SECONDS = 2
REST_SECONDS = 8.0
# A counter of each service that grows with its work and survives a crash (the console's begins at 0 again).
WORK = {
    "ingest": "ingest/received_total",
    "detector": "actor/likes_total",
    "predictor": "predictor/predictor_likes_total",
    "choice": "choice/joined_likes_total",
    "charts": "charts/charts_likes_total",
    "exporter": "exporter/exported_likes_total",
    "console": "console/viewed_frames_total",
}


class Fixture:
    """What faults happen to. `labels` are the running processes of each service."""

    def __init__(self, folder: Path, seed: int, brokers: int = 1, small_disk: bool = False, **environment: str) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.random = random.Random(seed)
        self.kafka = ApacheKafka(folder, brokers, proxied=True)
        self.redis = Redis(folder, appendonly="yes", appendfsync="everysec")
        self.proxies = [Proxy(told, listens) for listens, told in self.kafka.proxied]
        self.disk = folder / "disk"
        self.disk.mkdir()
        self.mounted = small_disk
        if small_disk:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(self.disk)], check=True)
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "REDIS_URL": self.redis.url,
            "PARTITIONS": str(PARTITIONS),
            "EXPORT_SECONDS": "5",
            "INGEST_IDLE_SECONDS": str(IDLE_SECONDS),
            "DETECTOR_LATENESS_SECONDS": str(LATENESS_SECONDS),
            "EXPORT_DIR": str(self.disk / "export"),
            **environment,
        }
        self.settings = ServiceSettings.model_validate({k.lower(): v for k, v in self.environment.items()})
        self.labels: dict[str, list[str]] = {name: [] for name in SERVICES}
        self._numbers = dict.fromkeys(SERVICES, 0)
        self.stack: Stack = Stack(folder, self.environment)

    def start(self) -> None:
        self.kafka.start()
        self.redis.start()
        for proxy in self.proxies:
            proxy.start()
        brokers = len(self.kafka.ports)
        deadline = time.monotonic() + 30
        while True:
            try:
                asyncio.run(kafka.create_topics(self.settings, replication=brokers))
                break
            except Exception:  # brokers find each other at first
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
        for name in SERVICES:
            self.add(name)
        self.stack.wait_ready(*self.stack.processes)

    def stop(self) -> None:
        self.stack.stop()
        self.redis.stop()
        self.kafka.stop()
        for proxy in self.proxies:
            proxy.stop()
        if self.mounted:
            subprocess.run(["umount", str(self.disk)], check=True)

    def add(self, name: str, **environment: str) -> str:
        """Start one more worker of a service."""
        label = f"{name}-{self._numbers[name]}"
        self._numbers[name] += 1
        self.stack.start(name, label, **environment)
        self.labels[name].append(label)
        return label

    def restart(self, name: str, label: str, **environment: str) -> str:
        """Start one in the place of a process that has ended."""
        self.labels[name].remove(label)
        return self.add(name, **environment)

    def end_of_stream(self) -> None:
        """From now on silence is idleness."""
        for label in list(self.labels["ingest"]):
            self.stack.stop(label)
            self.restart("ingest", label, INGEST_IDLE_SECONDS=str(IDLE_AT_THE_END_SECONDS))
        self.stack.wait_ready(*self.labels["ingest"])

    def url(self, label: str) -> str | None:
        return self.stack._address(self.stack.processes[label].pid)

    def ready(self, label: str) -> bool:
        checks = self.checks(label)
        return checks is not None and all(why == "ok" for why in checks.values())

    def checks(self, label: str) -> dict[str, str] | None:
        """What `/readyz` says, None where it does not answer."""
        url = self.url(label)
        try:
            return dict(httpx.get(f"{url}/readyz", timeout=2).json()["checks"]) if url is not None else None
        except httpx.HTTPError:
            return None

    def failing(self, label: str) -> list[str]:
        return [name for name, why in (self.checks(label) or {}).items() if why != "ok"]

    def work(self, name: str) -> float:
        return self.stack.metrics().get(WORK[name], 0.0)

    def work_of(self, name: str, label: str) -> float:
        return self.value_of(WORK[name], label)

    def value_of(self, metric: str, label: str) -> float:
        url = self.url(label)
        return scrape(url).get(metric, 0.0) if url is not None else 0.0

    def assert_alive(self) -> None:
        died = {label: p.returncode for label, p in self.stack.processes.items() if p.poll() is not None}
        if died:
            raise RuntimeError(f"ended by themselves: {died}; logs in {self.folder}")

    def wait_until_done(self, log: Log, seconds: float = 600) -> Metrics:
        """Until every message is through, and verdicts have come to rest. Returns the counters."""
        deadline = time.monotonic() + seconds
        fed = len(log) + PARTITIONS
        quiescence, ended = Quiescence(), False
        while True:
            self.assert_alive()
            counters = self.stack.metrics()
            if not ended and counters.get("ingest/received_total", 0) >= fed:
                self.end_of_stream()
                ended = True
            still = quiescence.lasts(counters, REST_SECONDS)
            # Who cannot ask a broker does not know what waits.
            still = still and all((self.checks(one) or {}).get("broker") == "ok" for one in self.stack.processes)
            if ended and still and counters.get("verdict/verdicts_total"):
                return counters
            if time.monotonic() > deadline:
                raise RuntimeError(f"not at rest after {seconds:.0f} s: {counters}; logs in {self.folder}")
            time.sleep(1.0)

    def rewrite_predictions(self) -> None:
        """Have the predictors write what follows from their state at the end of the log, and nothing older."""

        async def clear() -> None:
            redis: Any = redis_connection.connect(self.settings)
            try:
                shares = range(PARTITIONS)
                await redis.delete(*(redis_keys.source("preferences", TRUSTED_LIKES, share) for share in shares))
                async for key in redis.scan_iter(f"{redis_keys.predictions('')}*", count=1000):
                    await redis.delete(key)
            finally:
                await redis.aclose()

        asyncio.run(clear())
        missing = asyncio.run(rebuild(self.settings, 120, lambda _: None))
        if missing:
            raise RuntimeError(f"shares not written again: {missing}; logs in {self.folder}")

    def clean(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
