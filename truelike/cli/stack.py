"""All services of one machine as child processes, for the demo, the tests and the benchmark."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from prometheus_client.parser import text_string_to_metric_families

from shared.latency import quantile
from truelike.cli.output import fail

PROJECT = Path(__file__).resolve().parents[2]
SERVICES = ("ingest", "detector", "predictor", "choice", "charts", "exporter", "console")

Metrics = dict[str, float]


class Stack:
    """Starts services with a common environment and reads their health."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.endpoints = folder / "endpoints"
        self.environment = {
            **os.environ,
            "CHECKPOINT_DIR": str(folder / "checkpoints"),
            "ENDPOINT_DIR": str(self.endpoints),
            "EXPORT_DIR": str(folder / "export"),
            "HTTP_PORT": "0",
            "PYTHONPATH": str(PROJECT),
            # Two services share a core here; libraries that start a thread per core only get in the way.
            "OMP_NUM_THREADS": "1",
            "NUMBA_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "ARROW_NUM_THREADS": "1",
            **environment,
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self, name: str, label: str | None = None, package: str = "services", **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start one service of a package, `name` with its arguments; its log goes to `<folder>/<label>.log`."""
        label = label or name
        with (self.folder / f"{label}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *f"{package}.{name}".split()],
                env={**self.environment, **environment},
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        self.processes[label] = process
        return process

    def wait_ready(self, *labels: str, timeout: float = 90) -> None:
        """Raises RuntimeError naming the service that is not ready in time or that ended."""
        self._wait("ready", lambda pid: _answers(self._address(pid), "readyz"), labels, timeout)

    def wait_listening(self, *labels: str, timeout: float = 90) -> None:
        """Like `wait_ready`, for a service that answers but need not be able to work."""
        self._wait("listening", lambda pid: _answers(self._address(pid), "healthz"), labels, timeout)

    def _wait(self, state: str, reached: Callable[[int], bool], labels: Iterable[str], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        waiting = set(labels)
        while waiting:
            for label in sorted(waiting):
                process = self.processes[label]
                if process.poll() is not None:
                    raise RuntimeError(
                        f"{label} ended with code {process.returncode}; its log: {self.folder / label}.log"
                    )
                if reached(process.pid):
                    waiting.discard(label)
            if time.monotonic() > deadline:
                lacking = {label: _readiness(self._address(self.processes[label].pid)) for label in sorted(waiting)}
                why = "; ".join(f"{label}: {said}" for label, said in lacking.items())
                raise RuntimeError(f"not {state} after {timeout:.0f} s: {why}; logs: {self.folder}")
            time.sleep(0.2)

    def _address(self, pid: int) -> str | None:
        return next((e["url"] for e in read_endpoints(self.endpoints) if e["pid"] == str(pid)), None)

    def url(self, service: str) -> str:
        """Address of a running service. Raises LookupError."""
        pids = {str(p.pid) for p in self.processes.values() if p.poll() is None}
        for endpoint in read_endpoints(self.endpoints):
            if endpoint["service"] == service and endpoint["pid"] in pids:
                return endpoint["url"]
        raise LookupError(f"{service} does not run")

    def metrics(self, timeout: float = 5) -> Metrics:
        """All services' metrics, added up over processes and partitions: "stage/name" -> value."""
        total: Metrics = {}
        for endpoint in read_endpoints(self.endpoints):
            for name, value in scrape(endpoint["url"], timeout).items():
                total[name] = total.get(name, 0.0) + value
        return total

    def stop(self, *labels: str, timeout: float = 12) -> dict[str, int]:
        """SIGTERM, then SIGKILL for who needs longer. Returns exit codes."""
        chosen = labels or tuple(self.processes)
        for label in chosen:
            if self.processes[label].poll() is None:
                self.processes[label].send_signal(signal.SIGTERM)
        codes = {}
        for label in chosen:
            process = self.processes.pop(label)
            try:
                codes[label] = process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[label] = process.wait()
        return codes

    def kill(self, label: str) -> None:
        """SIGKILL, as a fault would."""
        process = self.processes.pop(label)
        process.kill()
        process.wait()
        for path in self.endpoints.glob(f"*-{process.pid}.json"):
            path.unlink()


def _ask(url: str | None, path: str) -> httpx.Response | None:
    if url is None:
        return None
    try:
        return httpx.get(f"{url}/{path}", timeout=2)
    except httpx.HTTPError:
        return None


def _answers(url: str | None, path: str) -> bool:
    answer = _ask(url, path)
    return answer is not None and answer.status_code == 200


def _readiness(url: str | None) -> str:
    """What a service says of itself, for an error message."""
    answer = _ask(url, "readyz")
    return answer.text if answer is not None else "does not answer"


def read_endpoints(folder: Path) -> list[dict[str, str]]:
    """Addresses that services wrote down."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append({k: str(v) for k, v in json.loads(path.read_text()).items()})
        except FileNotFoundError:  # just stopping
            continue
    return found


def endpoints(named: Sequence[str], folder: Path) -> list[dict[str, str]]:
    """Addresses as named (`ingest=http://host:port`), or else those that services wrote down."""
    if not named:
        return read_endpoints(folder)
    pairs = [(service, url) for service, _, url in (one.partition("=") for one in named)]
    return [{"service": service, "url": process} for service, url in pairs for process in _processes(url)]


def _processes(url: str) -> list[str]:
    """One for each address of the host: behind a service's name in a container network are all its processes."""
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, ValueError):
        return [url]
    hosts = sorted({str(address[0]) for *_, address in found})
    if len(hosts) < 2 or parts.scheme != "http":
        return [url]
    return [parts._replace(netloc=f"{host}:{parts.port or 80}").geturl() for host in hosts]


def authorization() -> dict[str, str]:
    """The token of ACCESS_TOKEN, or of the file ACCESS_TOKEN_FILE, for services that ask for one."""
    token, file = os.environ.get("ACCESS_TOKEN"), os.environ.get("ACCESS_TOKEN_FILE")
    if not token and file:
        try:
            token = Path(file).read_text().strip()
        except OSError as error:
            raise fail(f"ACCESS_TOKEN_FILE={file}: {error.strerror}; name a file that holds a token") from None
    return {"Authorization": f"Bearer {token}"} if token else {}


def scrape(url: str, timeout: float = 5) -> Metrics:
    """A service's samples as "stage/name" -> value; histograms keep their buckets as "stage/name{le}"."""
    try:
        text = httpx.get(f"{url}/metrics", timeout=timeout, headers=authorization()).text
    except httpx.HTTPError:
        return {}
    values: Metrics = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removeprefix("truelike_")
            stage = sample.labels.get("stage", sample.labels.get("service", ""))
            edge = f"{{{sample.labels['le']}}}" if "le" in sample.labels else ""
            key = f"{stage}/{name}{edge}"
            values[key] = values.get(key, 0.0) + sample.value
    return values


def latency_quantile(metrics: Metrics, stage: str, q: float) -> float | None:
    """Seconds below which the share `q` of a stage's latencies lies."""
    prefix = f"{stage}/latency_seconds_bucket{{"
    buckets = sorted(
        (float(name[len(prefix) : -1].replace("+Inf", "inf")), value)
        for name, value in metrics.items()
        if name.startswith(prefix)
    )
    return quantile(buckets, q)
