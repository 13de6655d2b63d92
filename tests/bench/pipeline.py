"""The whole pipeline's rows: all services and the simulator on this machine, event time so fast that windows close."""

from __future__ import annotations

import asyncio
import math
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import psutil
from rich.progress import track

from services.detector.settings import Judgement
from shared import kafka
from shared.settings import ServiceSettings
from tests.bench.measuring import Bench, Row, cpu_seconds
from tests.bench.windows import named, require
from truelike.cli.embedded import Broker, Redis
from truelike.cli.replay_outcome import Ends
from truelike.cli.stack import SERVICES, Metrics, Stack, latency_quantile

TITLE: Final = "Whole pipeline"
WINDOW_MS: Final = Judgement(1).window_ms
# Windows that must end while likes are sent, and two more to be sure of them.
ENDS: Final = 20
LIKES_A_DAY: Final = 20
# What a like is to be through for a service's share of its cost.
DONE: Final = {"predictor": "predicted", "Valkey": "predicted", "detector": "weighed"}
FEW_LIKES: Final = 50
SETTLING_SECONDS: Final = 10
LOOK_SECONDS: Final = 30
BUCKETS: Final = "latency_seconds_bucket{"


@dataclass(frozen=True)
class Second:
    """Counts so far at a moment of the run, s, and how far event time was, ms."""

    at: float
    sent: float
    weighed: float
    predicted: float
    event_ms: int
    metrics: Metrics


@dataclass
class Run:
    seconds: list[Second] = field(default_factory=list)
    memory: list[dict[str, float]] = field(default_factory=list)
    # Seconds of a core that each process has used.
    cores: list[dict[str, float]] = field(default_factory=list)


def rows(bench: Bench) -> list[Row]:
    """At `bench.rate` for `bench.sustain` seconds, or longer where `bench.count` likes take longer."""
    seconds = max(bench.sustain, bench.count / bench.rate)
    speed = math.ceil((ENDS + 2) * WINDOW_MS / 1000 / seconds)
    with running(speed) as platform:
        run = _load(bench, platform, seconds, speed)
    sending = [s for n, s in enumerate(run.seconds) if n == 0 or s.sent > run.seconds[n - 1].sent][:-1]
    ends = ends_in(sending)
    require({WINDOW_MS: len(ends)}, {WINDOW_MS: ENDS})
    measured = [*_rates(bench, sending, speed, ends), *_latencies(run, sending, ends), *_costs(run, len(sending))]
    return [*measured, *_memory(run), *_little_to_do(bench)]


@dataclass(frozen=True)
class Platform:
    stack: Stack
    broker: Broker
    redis: Redis

    def cores(self) -> dict[str, float]:
        """Seconds of a core that each process has used so far."""
        pids = {name: process.pid for name, process in self.stack.processes.items()}
        pids |= {"broker": self.broker.pid, "Valkey": self.redis.pid}
        return {name: cpu_seconds(pid) for name, pid in pids.items()}


@contextmanager
def running(speed: int) -> Iterator[Platform]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker, redis = Broker(folder), Redis(folder)
        broker.start()
        redis.start()
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "REDIS_URL": redis.url,
            "KAFKA_IDEMPOTENCE": "false",
            "EVENT_TIME_SPEED": str(speed),
        }
        stack = Stack(folder, environment)
        try:
            asyncio.run(kafka.create_topics(_settings(stack)))
            for service in SERVICES:
                stack.start(service)
            stack.wait_ready(*SERVICES)
            yield Platform(stack, broker, redis)
        finally:
            stack.stop()
            redis.stop()
            broker.stop()


def _settings(stack: Stack) -> ServiceSettings:
    names = {name.upper() for name in ServiceSettings.model_fields}
    return ServiceSettings.model_validate({k.lower(): v for k, v in stack.environment.items() if k in names})


def _load(bench: Bench, platform: Platform, seconds: float, speed: int) -> Run:
    stack = platform.stack
    stack.start(
        "simulator",
        SIMULATOR_RATE=str(bench.rate),
        SIMULATOR_SPEED=str(speed),
        # As many people as give that much in a day of event time.
        SIMULATOR_PEOPLE=str(round(bench.rate / speed * 86_400 / LIKES_A_DAY)),
        SIMULATOR_ITEMS="50000",
        # With slates: tests.bench.choice.
        SIMULATOR_EXPOSURES="false",
        SIMULATOR_LIKES=str(round(bench.rate * seconds)),
    )
    stack.wait_ready("simulator")
    run, began = Run(), time.monotonic()
    for second in track(range(round(seconds) + 5), "sustained load", console=bench.console):
        time.sleep(max(0.0, began + second + 1 - time.monotonic()))
        metrics = stack.metrics(30)
        run.seconds.append(
            Second(
                time.monotonic() - began,
                metrics.get("simulator/acknowledged_messages_total", 0),
                metrics.get("verdict/judged_likes_total", 0),
                metrics.get("predictor/predictor_likes_total", 0),
                event_ms(stack),
                {name: value for name, value in metrics.items() if BUCKETS in name},
            )
        )
        run.cores.append(platform.cores())
        run.memory.append({s: psutil.Process(stack.processes[s].pid).memory_info().rss / 1e6 for s in SERVICES})
    return run


def event_ms(stack: Stack) -> int:
    """How far ingest says that event time is, ms; 0 before it has said so."""
    ends = Ends(_settings(stack))
    asyncio.run(ends.find())
    return ends.event_ms or 0


def ends_in(sending: Sequence[Second]) -> list[float]:
    """When (s of the run) event time passed the ends of windows, lateness too, while likes were sent. What the clock
    does to event time once they are sent closes windows as well, but costs nothing: it does not count.
    """
    known = [s for s in sending if s.event_ms > 0]
    if not known:
        return []
    passed = np.array([s.event_ms - Judgement(1).lateness_ms for s in known])
    ends = np.arange(passed[0] // WINDOW_MS + 1, passed[-1] // WINDOW_MS + 1) * WINDOW_MS
    return [float(at) for at in np.interp(ends, passed, [s.at for s in known])]


def _rates(bench: Bench, sending: Sequence[Second], speed: int, ends: Sequence[float]) -> list[Row]:
    seconds, sent = sending[-1].at - sending[0].at, sending[-1].sent - sending[0].sent
    middle, last = sending[len(sending) // 2], sending[-1]
    found: list[Row] = [
        (
            "whole pipeline, sent",
            f"{sent / seconds:,.0f} likes/s over {seconds:.0f} s, event time {speed} times as fast; "
            f"{len(ends)} windows of {named(WINDOW_MS)} closed",
            f"goal {bench.rate:,.0f}",
            f"{sent / seconds / bench.rate:.2f}",
        )
    ]
    for name in ("weighed", "predicted"):
        lags = [s.sent - getattr(s, name) for s in (middle, last)]
        most = max(s.sent - getattr(s, name) for s in sending)
        what = "weight" if name == "weighed" else "prediction"
        measured = f"{lags[0]:,.0f} and {lags[1]:,.0f} likes; at most {most:,.0f}"
        found.append((f"lag to {what}, middle and end", measured, "not growing", ""))
    return found


def _latencies(run: Run, sending: Sequence[Second], ends: Sequence[float]) -> list[Row]:
    """Over all likes, and from look to look: a cliff at the ends of windows shows in the worst of them."""
    apart = max(after.at - before.at for before, after in pairwise(sending))
    metrics = run.seconds[-1].metrics
    found: list[Row] = []
    for stage, what, goal in (
        ("verdict", "provisional weight", "goal p99 2 s"),
        ("predictor", "prediction", ""),
        ("choice", "choice report", ""),
    ):
        whole = [seconds_of(latency_quantile(metrics, stage, q)) for q in (0.5, 0.99, 1.0)]
        found.append((f"from send to {what}: p50, p99, longest", ", ".join(whole), goal, ""))
        each = _each_second(sending, stage)
        if not each:
            raise RuntimeError(f"nothing came through {stage} while likes were sent")
        at_ends = [p99 for at, p99 in each if any(0 <= at - end < 2 for end in ends)]
        found.append(
            (
                f"p99 from look to look (1 s apart, at most {apart:.1f} s), to {what}",
                f"median {statistics.median(p99 for _, p99 in each):.2f} s, worst {max(p99 for _, p99 in each):.2f} s, "
                f"worst within 2 s of a window's end {seconds_of(max(at_ends, default=None))}",
                "no cliff",
                "",
            )
        )
    return found


def _each_second(seconds: Sequence[Second], stage: str) -> list[tuple[float, float]]:
    """(moment, p99 of what came through since the moment before). Where nothing did there is none."""
    found = []
    for before, after in pairwise(seconds):
        since = {name: value - before.metrics.get(name, 0.0) for name, value in after.metrics.items()}
        p99 = latency_quantile(since, stage, 0.99)
        if p99 is not None:
            found.append((after.at, p99))
    return found


def _costs(run: Run, sending: int) -> list[Row]:
    """What a like costs, from a quarter of the run on, when every process has what it needs compiled and loaded."""
    first, last = sending // 4, sending - 1
    done = {name: getattr(run.seconds[last], name) - getattr(run.seconds[first], name) for name in DONE.values()}
    cost = {
        name: 1e6 * (used - run.cores[first][name]) / done[DONE.get(name, "weighed")]
        for name, used in run.cores[last].items()
    }
    said = ", ".join(f"{name} {ms:.1f}" for name, ms in cost.items())
    writing = cost["predictor"] + cost["Valkey"]
    return [
        ("CPU-ms for each 1,000 likes", f"{said}; {sum(cost.values()):.0f} in all", "two cores at 20,000/s: 100", ""),
        ("- predictor and Valkey, of 1,000 likes predicted", f"{writing:.1f}", "goal 36", f"{36 / writing:.2f}"),
    ]


def _little_to_do(bench: Bench) -> list[Row]:
    """What it costs to be there: without likes, and with FEW_LIKES a second and the slates that come with them."""
    with running(1) as platform:
        time.sleep(SETTLING_SECONDS)
        _, said = _share(bench, platform, "at rest")
        found: list[Row] = [("at rest, share of a core", said, "", "")]
        likes = at_this_hour(platform, FEW_LIKES)
        what = f"at {likes:.0f} likes/s with slates"
        whole, said = _share(bench, platform, what)
        found.append((f"{what}, share of a core", said, f"goal 15 % at {FEW_LIKES}/s", f"{0.15 / whole:.2f}"))
    return found


def at_this_hour(platform: Platform, rate: float, speed: int = 1) -> float:
    """Start a simulator that sends so many likes a second now: its rate is the mean of a day, and at this hour the same
    people give more or less. Returns how many came once it had settled.
    """
    asked = rate * rate / _given(platform, rate, speed)
    platform.stack.stop("simulator")
    return _given(platform, asked, speed)


def _given(platform: Platform, rate: float, speed: int) -> float:
    """Start a simulator; how many likes a second come once it has settled."""
    stack = platform.stack
    stack.start("simulator", SIMULATOR_RATE=str(rate), SIMULATOR_SPEED=str(speed))
    stack.wait_ready("simulator")
    time.sleep(SETTLING_SECONDS)
    before = stack.metrics(30)["simulator/simulated_likes_total"]
    time.sleep(SETTLING_SECONDS)
    return (stack.metrics(30)["simulator/simulated_likes_total"] - before) / SETTLING_SECONDS


def _share(bench: Bench, platform: Platform, what: str) -> tuple[float, str]:
    """Of all processes together, and in words that of each."""
    before, began = platform.cores(), time.monotonic()
    for _ in track(range(LOOK_SECONDS), what, console=bench.console):
        time.sleep(1)
    passed = time.monotonic() - began
    shares = {name: (used - before[name]) / passed for name, used in platform.cores().items()}
    whole = sum(shares.values())
    each = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    return whole, f"{whole:.1%}: {each}"


def seconds_of(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f} s"


def _memory(run: Run) -> list[Row]:
    judged = run.seconds[-1].weighed
    found: list[Row] = []
    for service in SERVICES:
        trail = [m[service] for m in run.memory]
        measured = f"{trail[len(trail) // 4]:.0f} MB at a quarter, {trail[-1]:.0f} MB after {judged:,.0f} likes"
        found.append((f"memory of {service}", measured, "flat", ""))
    return found
