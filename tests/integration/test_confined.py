"""Every service as docker-compose.yml runs it, without Docker: a read-only root file system, user 10001, no
capabilities, and only its data folders to write to.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from shared import kafka
from shared.compiled import PACKAGES
from shared.settings import ServiceSettings
from truelike.cli.embedded import Broker, Redis, free_port
from truelike.cli.stack import PROJECT, SERVICES

NAMES = (*SERVICES, "simulator")
# The first start compiles.
READY_SECONDS = 300.0


def bubblewrap(data: Path) -> list[str]:
    """Words before a command that confine it to reading, and to writing in `data`; none where that cannot be had.

    The folders are then still watched. With TRUELIKE_TEST_CONFINED=bwrap, as in CI, it must be had.
    """
    words = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--die-with-parent"]
    words += ["--unshare-user", "--uid", "10001", "--gid", "10001", "--cap-drop", "ALL", "--bind", str(data), str(data)]
    # Numba wants to be able to write where it finds what was compiled; a container has a volume for it.
    for package in {path.parent for name in PACKAGES for path in (PROJECT / name).rglob("*.py")}:
        compiled = package / "__pycache__"
        compiled.mkdir(exist_ok=True)
        words += ["--bind", str(compiled), str(compiled)]
    words.append("--")
    works = shutil.which("bwrap") and subprocess.run([*words, "true"], check=False, capture_output=True).returncode == 0
    if not works and os.environ.get("TRUELIKE_TEST_CONFINED") == "bwrap":
        pytest.fail("bwrap cannot confine a process here: `apt-get install bubblewrap`, and allow user namespaces")
    return words if works else []


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    broker, redis = Broker(tmp_path), Redis(tmp_path)
    broker.start()
    redis.start()
    data = tmp_path / "data"
    (data / "tmp").mkdir(parents=True)
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "KAFKA_IDEMPOTENCE": "false",
        "REDIS_URL": redis.url,
        "PARTITIONS": "1",
        "CHECKPOINT_DIR": str(data / "checkpoints"),
        "CHECKPOINT_SECONDS": "1",
        "EXPORT_DIR": str(data / "export"),
        "EXPORT_SECONDS": "1",
        "SIMULATOR_RATE": "200",
        "SIMULATOR_PEOPLE": "500",
        "SIMULATOR_ITEMS": "200",
        "TMPDIR": str(data / "tmp"),
        "PYTHONPATH": str(PROJECT),
    }
    asyncio.run(kafka.create_topics(ServiceSettings.model_validate({k.lower(): v for k, v in settings.items()})))
    try:
        yield settings
    finally:
        redis.stop()
        broker.stop()


def test_services_write_to_their_data_folders_only(tmp_path: Path, environment: dict[str, str]) -> None:
    data, working = tmp_path / "data", tmp_path / "working"
    working.mkdir(mode=0o555)
    ports = {name: free_port() for name in NAMES}
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in NAMES:
            with (tmp_path / f"{name}.log").open("wb") as log:
                started[name] = subprocess.Popen(
                    [*bubblewrap(data), sys.executable, "-m", f"services.{name}"],
                    env={**os.environ, **environment, "HTTP_PORT": str(ports[name])},
                    cwd=working,
                    stdout=log,
                    stderr=log,
                )
        for name in NAMES:
            _until(lambda name=name: _ready(ports[name]), name, started[name], tmp_path)
        # Likes have gone the whole way: every folder has been written to.
        _until(lambda: any(data.glob("export/date=*/*.parquet")), "exporter", started["exporter"], tmp_path)
        _until(lambda: _snapshots(data) >= {"detector", "exporter"}, "detector", started["detector"], tmp_path)
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            process.wait(15)
    assert list(working.iterdir()) == []


def _snapshots(data: Path) -> set[str]:
    """Services that have saved a snapshot."""
    return {path.name.partition("-")[0] for path in data.glob("checkpoints/*")}


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _until(reached: Callable[[], bool], name: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    log = folder / f"{name}.log"
    while not reached():
        if process.poll() is not None:
            pytest.fail(f"{name} ended with code {process.returncode}:\n{log.read_text()[-2000:]}")
        if time.monotonic() > deadline:
            pytest.fail(f"{name} is not ready or does nothing after {READY_SECONDS:.0f} s:\n{log.read_text()[-2000:]}")
        time.sleep(0.2)
