"""`truelike demo`: the whole way of a Like on one machine, watched live and accounted for at the end."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.live import Live

from services.simulator.settings import Pace, pace
from shared import kafka
from shared.settings import ServiceSettings
from truelike.cli import reconciliation
from truelike.cli.embedded import Broker, Redis
from truelike.cli.live_view import render
from truelike.cli.stack import SERVICES, Metrics, Stack

DRAIN_SECONDS = 90.0
# Without a simulator, so that windows of likes that are sent by hand close soon.
IDLE_SPEED = 30.0
STATE = Path(".truelike")


@dataclass(frozen=True)
class DemoOptions:
    duration: float | None
    rate: float
    # None of one of these two: as the rate takes it (`services.simulator.settings.pace`).
    people: int | None
    speed: float | None
    bots: float
    seed: int
    report: Path
    port: int

    @property
    def pace(self) -> Pace:
        """How the likes a second come about."""
        if self.rate == 0:
            return Pace(0, 0.0, self.speed or IDLE_SPEED)
        return pace(self.rate, self.people, self.speed, self.bots)


def run(options: DemoOptions, console: Console) -> int:
    """0 if every like is accounted for. Raises RuntimeError where something cannot start."""
    started = time.monotonic()
    STATE.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=STATE)).resolve()
    broker = None if "KAFKA_BOOTSTRAP_SERVERS" in os.environ else Broker(folder)
    redis = None if "REDIS_URL" in os.environ else Redis(folder)
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers if broker else os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        "REDIS_URL": redis.url if redis else os.environ["REDIS_URL"],
        "EVENT_TIME_SPEED": str(options.pace.speed),
        "INGEST_IDLE_SECONDS": "2",
        "EXPORT_SECONDS": "5",
        "CHECKPOINT_SECONDS": "2",
    }
    if broker:
        environment["KAFKA_IDEMPOTENCE"] = "false"
    stack = Stack(folder, environment)
    pointer = STATE / "environment.json"
    stop = _Interrupt()
    try:
        for part in (broker, redis):
            if part is not None:
                part.start()
        with console.status("starting services (the first start compiles, about 30 s)"):
            _start(stack, environment, options)
        # `truelike status` and `truelike replay` in this folder find the demo through this file.
        pointer.write_text(json.dumps({**environment, "ENDPOINT_DIR": str(stack.endpoints)}))
        console.print(
            f"console {stack.url('console')}   ingest {stack.url('ingest')}/v1/likes   logs {folder}",
            highlight=False,
        )
        if options.rate:
            console.print(_world(options), highlight=False)
        began = time.monotonic()
        _watch(stack, options, console, stop, started)
        if options.rate == 0:
            return 0
        sent_for = time.monotonic() - began
        return _finish(stack, options, console, folder, sent_for)
    finally:
        if pointer.exists() and str(stack.endpoints) in pointer.read_text():
            pointer.unlink()
        stack.stop()
        for part in (redis, broker):
            if part is not None:
                part.stop()
        if options.duration is not None:
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def _world(options: DemoOptions) -> str:
    found = options.pace
    return (
        f"{found.people:,} people give {found.likes_a_day:.0f} likes a day each, bots {options.bots:.0%} of all likes; "
        f"event time runs about {found.speed:,.0f} times as fast as the clock"
    )


class _Interrupt:
    """Ctrl-C (or SIGTERM) asks for an orderly end; a second Ctrl-C is the ordinary one."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number: int, _: Any) -> None:
        self.asked = True
        signal.signal(number, signal.default_int_handler)


def _start(stack: Stack, environment: dict[str, str], options: DemoOptions) -> None:
    settings = ServiceSettings.model_validate({k.lower(): v for k, v in environment.items()})
    asyncio.run(kafka.create_topics(settings))
    for name in SERVICES:
        stack.start(name, HTTP_PORT=str(options.port) if name == "console" else "0")
    stack.wait_ready(*SERVICES)
    if options.rate == 0:
        return
    stack.start(
        "simulator",
        SIMULATOR_RATE=str(options.rate),
        SIMULATOR_BOT_SHARE=str(options.bots),
        SIMULATOR_SEED=str(options.seed),
        SIMULATOR_TRUTH=str(stack.folder / "truth.csv"),
        **{
            f"SIMULATOR_{name}": str(value)
            for name, value in (("PEOPLE", options.people), ("SPEED", options.speed))
            if value is not None
        },
    )
    stack.wait_ready("simulator")


def _watch(stack: Stack, options: DemoOptions, console: Console, stop: _Interrupt, started: float) -> None:
    began, judged = time.monotonic(), False
    before: tuple[float, Metrics] = (began, stack.metrics())
    quiet = not console.is_terminal
    with Live(console=console, refresh_per_second=4, transient=True, auto_refresh=not quiet) as live:
        while not stop.asked and (options.duration is None or time.monotonic() - began < options.duration):
            time.sleep(1.0)
            died = [name for name, process in stack.processes.items() if process.poll() is not None]
            if died:
                raise RuntimeError(f"{', '.join(died)} ended; logs: {stack.folder}")
            now = (time.monotonic(), stack.metrics())
            if not judged and now[1].get("verdict/verdicts_total"):
                judged = True
                console.print(f"first verdict {now[0] - started:.0f} s after the start", highlight=False)
            if not quiet:
                live.update(render(before, now, _campaigns(stack)))
            before = now


def _campaigns(stack: Stack) -> list[dict[str, Any]]:
    try:
        return list(httpx.get(f"{stack.url('console')}/v1/campaigns?limit=5", timeout=2).json()["campaigns"])
    except (httpx.HTTPError, LookupError, KeyError):
        return []


def _finish(stack: Stack, options: DemoOptions, console: Console, folder: Path, sent_for: float) -> int:
    """Let everything drain, then account for each like."""
    os.kill(stack.processes["simulator"].pid, signal.SIGUSR1)
    deadline = time.monotonic() + DRAIN_SECONDS
    with console.status("draining"):
        while time.monotonic() < deadline:
            metrics = stack.metrics()
            if metrics.get("simulator/finished") and not reconciliation.losses(metrics):
                break
            time.sleep(0.5)
        # The last windows close as idle event time passes: window, two gaps and lateness, 430 s at defaults.
        time.sleep(min(3 + 450 / options.pace.speed, 30))
        metrics = stack.metrics(timeout=60)
    found = asyncio.run(reconciliation.confusion(stack.environment["KAFKA_BOOTSTRAP_SERVERS"], folder / "truth.csv"))
    report = reconciliation.report(metrics, found, sent_for)
    options.report.write_text(json.dumps(report, indent=2) + "\n")
    console.print(reconciliation.summary(report))
    console.print(f"report in {options.report}", highlight=False)
    lost = report["losses"]
    for sentence in lost:
        console.print(f"LOST: {sentence}", style="red", markup=False)
    return 1 if lost else 0
