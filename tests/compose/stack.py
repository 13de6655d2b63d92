"""docker-compose.yml as a user starts it, under a project name and on ports of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from shared.settings import ServiceSettings
from truelike.cli.embedded import free_port
from truelike.cli.stack import PROJECT, Metrics

NAME = "truelike-test"
PARTITIONS = 6
# What ends by itself, with code 0, before the others start.
ONCE = frozenset({"topics", "tokens"})
# Java says 143 after SIGTERM.
STOPPED = frozenset({0, 143})
CALL_SECONDS = 10.0


@dataclass(frozen=True)
class Container:
    """What the engine says of one. `health`: healthy, unhealthy, starting, or none where nothing is checked."""

    identifier: str
    name: str
    service: str
    status: str
    health: str
    # What its last health check said.
    said: str
    exit_code: int
    restarts: int
    out_of_memory: bool

    @property
    def fine(self) -> bool:
        """Whether it does what it should: it works, or it has done its one thing."""
        if self.service in ONCE:
            return self.status == "exited" and self.exit_code == 0
        return self.status == "running" and self.health in ("healthy", "none")

    @property
    def wrong(self) -> str | None:
        """A sentence if something happened to it that nobody asked for."""
        if self.out_of_memory:
            return f"{self.name} had more memory than its limit"
        if self.restarts:
            return f"{self.name} was restarted {self.restarts} times"
        if self.status in ("restarting", "dead") or (self.service in ONCE and self.exit_code):
            return f"{self.name} is {self.status}, exit code {self.exit_code}"
        return None


def missing_engine() -> str | None:
    """A sentence that says how to get what is not there."""
    for words in (["docker", "info"], ["docker", "compose", "version"]):
        try:
            done = subprocess.run(words, check=False, capture_output=True)
        except FileNotFoundError:
            return "there is no `docker`: install Docker Engine and its Compose plugin (docs.docker.com/engine/install)"
        if done.returncode:
            return f"`{' '.join(words)}` fails: start the Docker engine, and install its Compose plugin (version 2)"
    return None


class ComposeStack:
    """Raises RuntimeError, with what was said, where a command fails."""

    def __init__(self, **environment: str) -> None:
        self.ports = {name: free_port() for name in ("KAFKA_PORT", "INGEST_PORT", "CONSOLE_PORT")}
        self.environment: Mapping[str, str] = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": NAME,
            "COMPOSE_PROFILES": "demo",
            "PARTITIONS": str(PARTITIONS),
            **{name: str(port) for name, port in self.ports.items()},
            **environment,
        }
        self.settings = ServiceSettings(
            kafka_bootstrap_servers=f"localhost:{self.ports['KAFKA_PORT']}", partitions=PARTITIONS
        )
        self.token = ""

    def compose(self, *words: str) -> str:
        return self._run("docker", "compose", *words)

    def docker(self, *words: str) -> str:
        return self._run("docker", *words)

    def _run(self, *words: str) -> str:
        done = subprocess.run(
            words,
            cwd=PROJECT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"`{' '.join(words)}` ended with code {done.returncode}: {done.stderr[-2000:].strip()}")
        return done.stdout

    def containers(self) -> list[Container]:
        identifiers = self.compose("ps", "--all", "--quiet").split()
        return [_container(one) for one in json.loads(self.docker("inspect", *identifiers))] if identifiers else []

    def of(self, service: str) -> list[Container]:
        return sorted((c for c in self.containers() if c.service == service), key=lambda c: c.name)

    def wait_healthy(self, seconds: float) -> int:
        """Until every container is fine; how many there are. Raises RuntimeError naming those that are not."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.containers()
            wrong = self.wrong(found)
            waiting = [c for c in found if not c.fine]
            if found and not waiting and not wrong:
                return len(found)
            if wrong or time.monotonic() > deadline:
                names = ", ".join(f"{c.name} ({c.status}, {c.health}: {c.said})" for c in waiting)
                raise RuntimeError(
                    f"not healthy after {seconds:.0f} s: {names}; {'; '.join(wrong)}\n{self.logs(waiting)}"
                )
            time.sleep(2)

    def wrong(self, found: Sequence[Container]) -> list[str]:
        return [c.wrong for c in found if c.wrong is not None]

    def stop(self) -> list[str]:
        """Stop all as an operator would; sentences on those that did not end well."""
        self.compose("stop")
        return [
            f"{c.name} was asked to stop and ended with code {c.exit_code}"
            for c in self.containers()
            if c.exit_code not in STOPPED
        ]

    def logs(self, containers: Sequence[Container]) -> str:
        """The last lines of each."""
        return "\n".join(self.compose("logs", "--tail", "15", s) for s in sorted({c.service for c in containers}))

    def read_token(self) -> None:
        """The administrator's, as docs/operations.md says how to see it."""
        self.token = self.compose("run", "--rm", "-T", "--no-deps", "tokens", "cat", "/data/admin/token").strip()

    def metrics(self) -> Metrics:
        """All processes' metrics, added up, as `truelike status` finds them from inside. Raises RuntimeError where one
        is not ready.
        """
        total: Metrics = {}
        for seen in json.loads(self.compose("exec", "-T", "console", "truelike", "status", "--json")):
            for name, value in seen["metrics"].items():
                total[name] = total.get(name, 0.0) + value
        return total

    def post_likes(self, body: bytes) -> httpx.Response:
        return self._call("POST", "INGEST_PORT", "/v1/likes", content=body)

    def get(self, path: str, port: str = "CONSOLE_PORT") -> httpx.Response:
        return self._call("GET", port, path)

    def _call(self, method: str, port: str, path: str, content: bytes | None = None) -> httpx.Response:
        return httpx.request(
            method,
            f"http://127.0.0.1:{self.ports[port]}{path}",
            content=content,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            timeout=CALL_SECONDS,
        )


def _container(found: dict[str, Any]) -> Container:
    """Of what `docker inspect` says."""
    state = found["State"]
    health = state.get("Health") or {"Status": "none"}
    return Container(
        identifier=found["Id"],
        name=found["Name"].removeprefix("/"),
        service=found["Config"]["Labels"]["com.docker.compose.service"],
        status=state["Status"],
        health=health["Status"],
        said=health["Log"][-1]["Output"].strip() if health.get("Log") else "",
        exit_code=state["ExitCode"],
        restarts=found["RestartCount"],
        out_of_memory=state["OOMKilled"],
    )
