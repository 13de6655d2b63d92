"""Apache Kafka on loopback, one broker or three, in KRaft mode: for tests against the broker that counts.

`python -m tests.kafka.server start|stop|clean [--brokers 3]`, or `make kafka`, `make kafka-stop`, `make kafka-clean`.
Needs Java 17 and, the first time, Maven (`make kafka-fetch`).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from truelike.cli.embedded import free_port, require_free

PROJECT = Path(__file__).resolve().parents[2]
HOME = PROJECT / ".truelike" / "kafka"
JARS = HOME / "jars"
CLUSTER_ID = "dHJ1ZWxpa2UtdGVzdHMtMQ"
START_SECONDS = 60
HEAP = "-Xmx512m"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


@dataclass(frozen=True)
class Guard:
    """A user and a password (SCRAM-SHA-512), and a PEM file with the broker's key (PKCS 8) and certificate."""

    user: str
    password: str
    certificate: Path


class ApacheKafka:
    """A cluster with its data in a folder. Each broker is its own controller.

    `proxied` adds a listener for each broker that clients are told to reach through a proxy. `guard` adds one that
    asks for TLS and a password.
    """

    def __init__(self, folder: Path, brokers: int = 1, proxied: bool = False, guard: Guard | None = None) -> None:
        if not any(JARS.glob("kafka_2.13-*.jar")):
            raise RuntimeError(f"no Apache Kafka in {JARS}: run `make kafka-fetch` (needs Maven)")
        self.folder = folder / "kafka"
        self.ports = [(free_port(), free_port()) for _ in range(brokers)]
        self.bootstrap_servers = ",".join(f"127.0.0.1:{port}" for port, _ in self.ports)
        self.processes: list[subprocess.Popen[bytes] | None] = [None] * brokers
        # (what the broker listens on, what it tells clients) of the listener behind a proxy.
        self.proxied = [(free_port(), free_port()) for _ in range(brokers)] if proxied else []
        self.guard = guard
        self.guarded_port = free_port()
        self.proxied_servers = ",".join(f"127.0.0.1:{port}" for _, port in self.proxied)

    def start(self) -> None:
        """Format the storage, start all brokers, wait until they answer. Raises RuntimeError."""
        for number in range(len(self.ports)):
            self._write_settings(number)
            formatting = ["format", "-t", CLUSTER_ID, "-c", str(self._settings(number))]
            if self.guard is not None:
                formatting += ["--add-scram", f"SCRAM-SHA-512=[name={self.guard.user},password={self.guard.password}]"]
            self._java("kafka.tools.StorageTool", *formatting).wait()
            self.start_broker(number)
        for number in range(len(self.ports)):
            self.wait_for_broker(number)

    def wait_for_broker(self, number: int) -> None:
        """Raises RuntimeError where it does not answer in time."""
        port, deadline = self.ports[number][0], time.monotonic() + START_SECONDS
        while not _answers(port):
            process = self.processes[number]
            if process is None or process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Apache Kafka does not answer on port {port}; its log: {self._log(number)}")
            time.sleep(0.2)

    def start_broker(self, number: int) -> None:
        for port in self.ports[number]:
            require_free(port, f"broker {number} of Apache Kafka")
        self.processes[number] = self._java("kafka.Kafka", str(self._settings(number)), log=self._log(number))

    def kill_broker(self, number: int) -> None:
        """SIGKILL, as a fault would."""
        process = self.processes[number]
        assert process is not None
        process.kill()
        process.wait()
        self.processes[number] = None

    def stop_broker(self, number: int) -> None:
        """SIGTERM, as an operator would."""
        process = self.processes[number]
        assert process is not None
        process.terminate()
        process.wait(30)
        self.processes[number] = None

    def stop(self) -> None:
        running = [process for process in self.processes if process is not None and process.poll() is None]
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _settings(self, number: int) -> Path:
        return self.folder / f"broker-{number}.properties"

    def _log(self, number: int) -> Path:
        return self.folder / f"broker-{number}.log"

    def _write_settings(self, number: int) -> None:
        port, controller = self.ports[number]
        replicas = min(3, len(self.ports))
        voters = ",".join(f"{n + 1}@127.0.0.1:{c}" for n, (_, c) in enumerate(self.ports))
        settings: dict[str, Any] = {
            "node.id": number + 1,
            "process.roles": "broker,controller",
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.folder / f"data-{number}",
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": max(1, replicas - 1),
            "min.insync.replicas": max(1, replicas - 1),
            "auto.create.topics.enable": "false",
            "message.max.bytes": 4 << 20,
            "group.initial.rebalance.delay.ms": 0,
        }
        if self.proxied:
            listens, told = self.proxied[number]
            settings["listeners"] += f",PROXIED://127.0.0.1:{listens}"
            settings["advertised.listeners"] += f",PROXIED://127.0.0.1:{told}"
            settings["listener.security.protocol.map"] += ",PROXIED:PLAINTEXT"
        if self.guard is not None:
            place = f",GUARDED://127.0.0.1:{self.guarded_port}"
            settings["listeners"] += place
            settings["advertised.listeners"] += place
            settings["listener.security.protocol.map"] += ",GUARDED:SASL_SSL"
            of_listener = {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": self.guard.certificate,
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "scram-sha-512.sasl.jaas.config": f"{SCRAM} required;",
            }
            settings |= {f"listener.name.guarded.{name}": value for name, value in of_listener.items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        self._settings(number).write_text("".join(f"{name}={value}\n" for name, value in settings.items()))

    def _java(self, main: str, *arguments: str, log: Path | None = None) -> subprocess.Popen[bytes]:
        command = ["java", HEAP, "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        command += ["-cp", f"{JARS}/*", main, *arguments]
        with (log or self.folder / "format.log").open("ab") as file:
            return subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.kafka.server", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("action", choices=("start", "stop", "clean"))
    parser.add_argument("--brokers", type=int, choices=(1, 3), default=1)
    options = parser.parse_args()
    state = HOME / "running.json"
    if options.action == "start":
        if state.exists():
            sys.exit(f"Apache Kafka runs already ({state}); `make kafka-stop` stops it")
        cluster = ApacheKafka(HOME, options.brokers)
        shutil.rmtree(cluster.folder, ignore_errors=True)
        try:
            cluster.start()
        except RuntimeError as error:
            cluster.stop()
            sys.exit(str(error))
        state.write_text(json.dumps([p.pid for p in cluster.processes if p is not None]))
        print(f"export KAFKA_BOOTSTRAP_SERVERS={cluster.bootstrap_servers}")
        return
    if state.exists():
        for pid in json.loads(state.read_text()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        state.unlink()
    if options.action == "clean":
        shutil.rmtree(HOME, ignore_errors=True)


if __name__ == "__main__":
    main()
