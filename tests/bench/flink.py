"""Apache Flink's rows: two SQL jobs, and Truelike's ingest and detector, on the same messages of the same broker.

Needs what `make bench-flink` fetches. Job A counts each actor's likes in tumbling windows of 5 min; job B finds pairs
that like the same targets within 60 s. Both answers are checked against tests/bench/flink_answers.py.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from services.detector.settings import Judgement
from services.simulator.events import events
from services.simulator.settings import WorldSettings
from services.simulator.world import World
from shared import kafka
from shared.settings import ServiceSettings
from shared.topics import LIKES, TOPICS, Arrow, Topic
from tests.bench import flink_answers, services_run
from tests.bench.measuring import Bench, Row, fill
from tests.bench.services_run import Moment, Services, on_cores
from tests.bench.windows import Windows, said
from tests.kafka.server import ApacheKafka
from truelike.cli.embedded import Redis
from truelike.cli.stack import PROJECT, Stack

TITLE: Final = "Apache Flink beside it"
HOME: Final = PROJECT / ".truelike" / "flink"
JARS, CLASSES = HOME / "jars", HOME / "classes"
COUNT: Final = 400_000
# As many people as give 69 likes a second.
WORLD: Final = WorldSettings(people=268_000, items=20_000)
# A like in each partition so long after the last one ends every window of an hour or less.
AFTER_MS: Final = 2 * 3_600_000
# In one JVM; the first is the cold one. Job B takes four times as long.
RUNS: Final = {"A": 3, "B": 2}
RESULTS_OF: Final = {
    job: Topic(f"flink-{job.lower()}", True, f"What job {job} found", Arrow({}), "", {}) for job in RUNS
}
# No further set of cores begins after this long.
ENOUGH_SECONDS: Final = 330
# So much that job B does not spend its time collecting garbage.
HEAP_GB: Final = 4
# Flink's serialisers look into these.
OPENED: Final = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("lang", "util", "time")]


class Run(msgspec.Struct, frozen=True):
    """A run of a job: seconds of the clock, CPU seconds, largest resident set so far (MB), rows out."""

    wall_s: float
    cpu_s: float
    rss_mb: float
    rows: int


@dataclass(frozen=True)
class Log:
    """The likes and what must be found in them. `found`: rows of job A and of job B."""

    keys: list[bytes]
    values: list[bytes]
    last: list[bytes]
    span_ms: int
    closed: dict[int, int]
    meetings: int
    found: dict[str, int]

    @property
    def count(self) -> int:
        return len(self.values) + len(self.last)


@dataclass(frozen=True)
class Job:
    """What all runs of one job took. `cold`: the JVM's start too; `warm`: medians of the later ones."""

    cold: Run
    warm: Run

    @classmethod
    def of(cls, runs: list[Run]) -> Job:
        later = runs[1:]
        wall, cpu = (statistics.median(getattr(r, name) for r in later) for name in ("wall_s", "cpu_s"))
        return cls(runs[0], Run(wall, cpu, max(r.rss_mb for r in runs), runs[0].rows))


def rows(bench: Bench) -> list[Row]:
    """Raises RuntimeError where Flink or Kafka is not there, or a job finds anything else than it must."""
    if not (CLASSES / "Likes.class").exists() or not any(JARS.glob("flink-table-runtime-*.jar")):
        raise RuntimeError(f"no Apache Flink in {HOME}: `make bench-flink` fetches it (needs Java 17 and Maven)")
    log = made_log()
    found: list[Row] = [about(log)]
    began = time.monotonic()
    for label, engine, others in (("one core", {0}, {1}), ("two cores", {0, 1}, {0, 1})):
        spent = time.monotonic() - began
        if spent > ENOUGH_SECONDS:
            found.append((label, f"not measured: what came before took {spent:.0f} s on a busy machine", "", ""))
            continue
        bench.console.print(f"Truelike and Flink, {label}; load of the machine {os.getloadavg()[0]:.0f}")
        found += compared(log, label, *measured(bench, log, engine, others))
    return found


def made_log() -> Log:
    world = World(WORLD, round(time.time() * 1000) - 2 * 86_400_000)
    likes = events(world, world.take(COUNT), 0)
    end = likes[-1]["occurred_at"] + AFTER_MS
    last = [
        {"event_id": f"end{p}", "actor_id": f"end{p}", "target_id": f"end{p}", "occurred_at": end} for p in range(4)
    ]
    everything = [*likes, *last]
    times = np.array([like["occurred_at"] for like in everything])
    actors, targets = (flink_answers.numbered([like[n] for like in everything]) for n in ("actor_id", "target_id"))
    windows = Windows(Judgement(1).lateness_ms)
    windows.add(times)
    met = flink_answers.meetings(actors, targets, times)
    return Log(
        [like["actor_id"].encode() for like in likes],
        [msgspec.json.encode(like) for like in likes],
        [msgspec.json.encode(like) for like in last],
        int(times[COUNT - 1] - times[0]),
        windows.closed(),
        len(met[0]),
        {"A": flink_answers.busy_actors(actors, times), "B": flink_answers.close_pairs(met)},
    )


def measured(bench: Bench, log: Log, engine: Set[int], others: Set[int]) -> tuple[Services, dict[str, Job]]:
    """Truelike, then both jobs, on a broker of their own. `others`: the cores of broker and Redis."""
    with tempfile.TemporaryDirectory() as name, on_cores(others):
        folder = Path(name)
        broker, redis = ApacheKafka(folder), Redis(folder)
        environment = {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers, "REDIS_URL": redis.url}
        settings = ServiceSettings(kafka_bootstrap_servers=broker.bootstrap_servers)
        stack = Stack(folder, environment)
        try:
            broker.start()
            redis.start()
            asyncio.run(kafka.create_topics(settings, topics=(*TOPICS, *RESULTS_OF.values())))
            ours = services_run.measure(stack, settings, engine, lambda: asyncio.run(_fill(settings, log)))
            bench.console.print(f"Truelike: {total(ours.weighed):.1f} s of CPU to the last weight")
            with on_cores(engine):
                jobs = {job: flink(bench, broker.bootstrap_servers, job, len(engine)) for job in log.found}
        finally:
            stack.stop()
            redis.stop()
            broker.stop()
    for job, expected in log.found.items():
        for run in jobs[job]:
            if run.rows != expected:
                raise RuntimeError(f"Flink's job {job} found {run.rows:,} and not {expected:,}")
    return ours, {job: Job.of(runs) for job, runs in jobs.items()}


async def _fill(settings: ServiceSettings, log: Log) -> int:
    await fill(settings, log.keys, log.values)
    producer = kafka.producer(settings)
    await producer.start()
    for partition, like in enumerate(log.last):
        await producer.send_and_wait(LIKES, like, key=b"end", partition=partition)
    await producer.stop()
    return log.count


def flink(bench: Bench, brokers: str, job: str, parallelism: int) -> list[Run]:
    """A job's runs, all in one JVM. Raises CalledProcessError."""
    command: list[Any] = ["java", f"-Xmx{HEAP_GB}g", *OPENED, "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"]
    command += [
        "-cp",
        f"{CLASSES}:{JARS}/*",
        "Likes",
        job,
        brokers,
        LIKES,
        RESULTS_OF[job].name,
        parallelism,
        RUNS[job],
    ]
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, check=True)
    runs = [msgspec.json.decode(line, type=Run) for line in done.stdout.splitlines()]
    bench.console.print(f"Flink, job {job}: {', '.join(f'{run.cpu_s:.1f}' for run in runs)} s of CPU")
    return runs


def about(log: Log) -> Row:
    return (
        "the likes",
        f"{log.count:,} in {log.span_ms / 3_600_000:.1f} h of event time; windows that end, with likes: "
        f"{said(log.closed)}",
        f"{log.found['A']:,} actors and 5 min with {flink_answers.BUSY_LIKES} likes; {log.meetings:,} meetings, "
        f"{log.found['B']:,} pairs and hours with {flink_answers.PAIR_TARGETS} targets: Flink found exactly these",
        "",
    )


def compared(log: Log, label: str, ours: Services, jobs: dict[str, Job]) -> list[Row]:
    """Rows of one set of cores; the ratio is ours by theirs, in likes a CPU second."""
    found: list[Row] = []
    for what, moment in (("to the last weight", ours.weighed), ("settled", ours.settled)):
        for state in ("cold", "warm"):
            theirs = [getattr(job, state) for job in jobs.values()]
            cpu = sum(run.cpu_s for run in theirs)
            found.append(
                (
                    f"{label}: ingest and detector, {what}",
                    f"{log.count / total(moment):,.0f} likes a CPU second ({total(moment):.1f} s: "
                    f"{', '.join(f'{name} {seconds:.1f}' for name, seconds in moment.cpu.items())})",
                    f"Flink A + B, {state}: {log.count / cpu:,.0f} ({cpu:.1f} s: "
                    f"{', '.join(f'{name} {run.cpu_s:.1f}' for name, run in zip(jobs, theirs, strict=True))})",
                    f"{cpu / total(moment):.2f}",
                )
            )
    walls = ", ".join(f"{name} {log.count / job.warm.wall_s:,.0f}" for name, job in jobs.items())
    found.append(
        (
            f"{label}: likes a second of the clock",
            f"{log.count / ours.weighed.wall:,.0f} to the last weight, {log.count / ours.settled.wall:,.0f} settled",
            f"Flink warm, each alone: {walls}",
            "",
        )
    )
    memory = ", ".join(f"{name} {job.warm.rss_mb:,.0f} MB" for name, job in jobs.items())
    ours_memory = ", ".join(f"{name} {most:,.0f} MB" for name, most in ours.memory.items())
    found.append((f"{label}: most memory", ours_memory, f"Flink, heap of at most {HEAP_GB} GB: {memory}", ""))
    says = {name: ours.metrics.get(f"verdict/{name}_total", 0) for name in ("verdicts", "corrected_likes")}
    found.append(
        (
            f"{label}: found",
            f"{ours.windows} windows of 5 min summarised, {says['verdicts']:,.0f} verdicts, "
            f"{says['corrected_likes']:,.0f} likes corrected",
            f"A {jobs['A'].cold.rows:,} rows, B {jobs['B'].cold.rows:,} rows",
            "",
        )
    )
    return found


def total(moment: Moment) -> float:
    return sum(moment.cpu.values())
