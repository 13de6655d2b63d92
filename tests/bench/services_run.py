"""Ingest and detector as the processes that they are, over likes that lie in Kafka already: CPU, memory, time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from os import sched_getaffinity, sched_setaffinity
from pathlib import Path
from typing import Final

import msgspec

from shared.settings import ServiceSettings
from shared.topics import WINDOW_SUMMARIES
from tests.bench.measuring import cpu_seconds
from tests.topics import read_topic
from truelike.cli.stack import Metrics, Stack

NAMES: Final = ("ingest", "detector")
JUDGED: Final = "verdict/judged_likes_total"
FOUND: Final = ("verdict/verdicts_total", "verdict/corrected_likes_total", "verdict/links_total")
LOOK_SECONDS: Final = 0.25
# Settled is what says nothing new for so long.
QUIET_SECONDS: Final = 8.0
MOST_SECONDS: Final = 300.0
# The detector may have to compile.
START_SECONDS: Final = 240.0


@dataclass(frozen=True)
class Moment:
    """Seconds of the clock since ingest was ready, and CPU seconds of each service since its own start was done."""

    wall: float
    cpu: dict[str, float]


@dataclass(frozen=True)
class Services:
    """When the last like had its weight, and when the last verdict or correction was out. Memory: the most, MB."""

    weighed: Moment
    settled: Moment
    memory: dict[str, float]
    metrics: Metrics
    windows: int


@contextmanager
def on_cores(cores: Set[int]) -> Iterator[None]:
    """What is started inside runs on these cores alone."""
    before = sched_getaffinity(0)
    sched_setaffinity(0, cores)
    try:
        yield
    finally:
        sched_setaffinity(0, before)


def measure(stack: Stack, settings: ServiceSettings, cores: Set[int], fill: Callable[[], int]) -> Services:
    """`fill` puts the likes into Kafka and says how many; meanwhile ingest is away. What starting costs is left out:
    ingest starts once for that alone. Raises TimeoutError.
    """
    with on_cores(cores):
        for name in NAMES:
            stack.start(name)
    stack.wait_ready(*NAMES, timeout=START_SECONDS)
    starting = _cpu(stack)["ingest"]
    stack.stop("ingest")
    count = fill()
    before = {"ingest": starting, "detector": cpu_seconds(stack.processes["detector"].pid)}
    with on_cores(cores):
        stack.start("ingest")
    stack.wait_ready("ingest", timeout=START_SECONDS)
    weighed, settled, metrics = _watch(stack, count, before)
    memory = {name: peak_mb(stack.processes[name].pid) for name in NAMES}
    stack.stop()
    return Services(weighed, settled, memory, metrics, _summarised(settings))


def _watch(stack: Stack, count: int, before: dict[str, float]) -> tuple[Moment, Moment, Metrics]:
    began, weighed, settled, found = time.monotonic(), None, None, None
    while True:
        metrics = stack.metrics(30)
        now = Moment(time.monotonic() - began, {n: cpu - before[n] for n, cpu in _cpu(stack).items()})
        judged = metrics.get(JUDGED, 0)
        if judged >= count and weighed is None:
            weighed = now
        said = (judged, *(metrics.get(name, 0) for name in FOUND))
        if settled is None or said != found:
            found, settled = said, now
        if weighed is not None and now.wall - settled.wall > QUIET_SECONDS:
            return weighed, settled, metrics
        if now.wall > MOST_SECONDS:
            raise TimeoutError(f"{judged:,.0f} of {count:,} likes weighed after {now.wall:.0f} s; logs: {stack.folder}")
        time.sleep(LOOK_SECONDS)


def _cpu(stack: Stack) -> dict[str, float]:
    return {name: cpu_seconds(stack.processes[name].pid) for name in NAMES}


def peak_mb(pid: int) -> float:
    """The process's largest resident set so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


def _summarised(settings: ServiceSettings) -> int:
    """Windows that the detector closed, by its own word in window-summaries.v1."""
    records = asyncio.run(read_topic(settings, WINDOW_SUMMARIES))
    return len({msgspec.json.decode(record.value)["window_start"] for record in records})
