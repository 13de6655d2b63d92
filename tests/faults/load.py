"""More than the platform can take, a long time, and a restart with much state, on Apache Kafka.

python -m tests.faults.load overload     five times the sustained rate for a minute, HTTP callers among it
python -m tests.faults.load soak         15 minutes of steady load: memory and file handles
python -m tests.faults.load restart      a detector and a predictor that come back with a million actors
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path

import httpx
import msgspec
import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from shared import access_tokens, kafka
from shared.batches import BatchProducer
from shared.topics import LIKES
from tests.faults.faults import wait
from tests.faults.fixture import PARTITIONS, Fixture
from tests.likes import START_MS, like
from truelike.cli import reconciliation
from truelike.cli.stack import SERVICES

out = Console(width=110)
# Seconds of event time that pass per second.
SPEED = 30
SUSTAINED = 9_000
OVERLOAD = 5 * SUSTAINED
OVERLOAD_SECONDS = 60
# Both speed and people are given, so that people are as busy as it takes: this is about load, not about who they are.
PEOPLE = 200_000
WORLD = {
    "SIMULATOR_PEOPLE": str(PEOPLE),
    "SIMULATOR_ITEMS": str(PEOPLE // 5),
    "SIMULATOR_START": str(START_MS),
}
# Likes a second that the token of a few callers may send, half of what one call brings; calls that are made at once.
HTTP_RATE = 50
HTTP_CALLERS = 600
HTTP_BATCH = 100
PAUSE_SECONDS = 2.0
SOAK_RATE = 1_000
SOAK_SECONDS = 900
# Bounds small enough to be reached soon, so that growth beyond them shows.
SMALL = {
    "INGEST_REMEMBERED_IDS": "50000",
    "DETECTOR_MAX_ACTORS": "50000",
    "DETECTOR_MAX_PAIRS": "50000",
    "DETECTOR_RETAINED_LIKES": "50000",
}
ACTORS = 1_000_000
# Nothing may keep an event loop for longer: not a snapshot, not a rebalance.
BLOCK_SECONDS = 0.5


class Watched:
    """Resident memory (MB) and open files of each service's processes, over time."""

    def __init__(self, fixture: Fixture) -> None:
        self.fixture = fixture
        self.rows: dict[str, list[tuple[float, float, int]]] = {name: [] for name in SERVICES}

    def look(self) -> None:
        for name in SERVICES:
            for label in self.fixture.labels[name]:
                process = psutil.Process(self.fixture.stack.processes[label].pid)
                self.rows[name].append((time.monotonic(), process.memory_info().rss / 2**20, process.num_fds()))

    def table(self, title: str) -> Table:
        table = Table(title=title)
        for column in ("service", "MB at first", "a third", "two thirds", "end", "most", "files at a third", "end"):
            table.add_column(column, justify="left" if column == "service" else "right")
        for name, rows in self.rows.items():
            third, two = rows[len(rows) // 3], rows[2 * len(rows) // 3]
            most = max(row[1] for row in rows)
            table.add_row(
                name,
                *(f"{m:.0f}" for m in (rows[0][1], third[1], two[1], rows[-1][1], most)),
                str(third[2]),
                str(rows[-1][2]),
            )
        return table


def simulate(fixture: Fixture, rate: float, **more: str) -> None:
    fixture.stack.start("simulator", SIMULATOR_RATE=str(rate), SIMULATOR_SPEED=str(SPEED), **more)
    fixture.stack.wait_ready("simulator")


def drain(fixture: Fixture, watched: Watched, seconds: float) -> float:
    """Stop the simulator and wait until every like is accounted for. Returns how long that took (s)."""
    os.kill(fixture.stack.processes["simulator"].pid, signal.SIGUSR1)
    began = time.monotonic()
    while True:
        metrics = fixture.stack.metrics()
        sent = metrics.get("simulator/acknowledged_messages_total", 0) + metrics.get("ingest/http_accepted_total", 0)
        metrics["simulator/acknowledged_messages_total"] = sent
        if metrics.get("simulator/finished") and not reconciliation.losses(metrics):
            break
        fixture.assert_alive()
        if time.monotonic() - began > seconds:
            raise RuntimeError(f"not drained after {seconds:.0f} s: {reconciliation.losses(metrics)}")
        watched.look()
        time.sleep(2)
    return time.monotonic() - began


class Callers:
    """Callers over HTTP, by token: as many as may be served at once and more, and some beyond their token's rate. Who
    is refused waits as the answer asks. `answers` counts status codes and what failed, `longest` is the longest wait
    for an answer (s).
    """

    def __init__(self, url: str, tokens: dict[str, int]) -> None:
        self.url = url
        self.tokens = tokens
        self.answers: dict[str, Counter[str]] = {}
        self.longest = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._call_all()))

    def __enter__(self) -> Callers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    async def _call_all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for token, count in self.tokens.items():
                answers = self.answers[token] = Counter()
                for caller in range(count):
                    group.create_task(self._call(token, caller, answers))

    async def _call(self, token: str, caller: int, answers: Counter[str]) -> None:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-ndjson"}
        # One client each: a pool of hundreds of connections would spend more time than the answers take. No TLS here.
        async with httpx.AsyncClient(headers=headers, timeout=30, verify=False) as client:
            await self._call_again_and_again(client, caller, answers)

    async def _call_again_and_again(self, client: httpx.AsyncClient, caller: int, answers: Counter[str]) -> None:
        number, started = caller * 1_000_000, time.monotonic()
        while not self._stop.is_set():
            at_s = (time.monotonic() - started) * SPEED
            batch = [like(number + n, f"http{caller}-{n}", f"t{n}", at_s) for n in range(HTTP_BATCH)]
            number += HTTP_BATCH
            body = b"\n".join(map(msgspec.json.encode, batch))
            began = time.monotonic()
            try:
                answer = await client.post(f"{self.url}/v1/likes", content=body)
            except httpx.HTTPError as error:
                answers[type(error).__name__], pause = answers[type(error).__name__] + 1, PAUSE_SECONDS
            else:
                answers[str(answer.status_code)] += 1
                pause = float(answer.headers.get("Retry-After", 0 if answer.is_success else PAUSE_SECONDS))
            self.longest = max(self.longest, time.monotonic() - began)
            await asyncio.sleep(pause)


def overload(folder: Path, bounds: dict[str, str]) -> None:
    tokens = folder / "tokens.json"
    greedy = access_tokens.add(tokens, "beyond its rate", frozenset({"likes:write"}), HTTP_RATE)
    crowd = access_tokens.add(tokens, "crowd", frozenset({"likes:write"}), 10 * OVERLOAD)
    os.environ["ACCESS_TOKEN"] = access_tokens.add(tokens, "watch", frozenset({"read"}), 1000)
    fixture = Fixture(folder / "overload", 1, **bounds, ACCESS_TOKENS_FILE=str(tokens), INGEST_IDLE_SECONDS="5")
    try:
        fixture.start()
        watched = Watched(fixture)
        watched.look()
        simulate(
            fixture,
            OVERLOAD,
            **WORLD,
        )
        began = time.monotonic()
        with out.status("overload"), Callers(fixture.stack.url("ingest"), {greedy: 4, crowd: HTTP_CALLERS}) as callers:
            while time.monotonic() - began < OVERLOAD_SECONDS:
                watched.look()
                time.sleep(2)
        lasted = time.monotonic() - began
        metrics = fixture.stack.metrics(timeout=30)
        lag = sum(v for k, v in metrics.items() if "/lag_likes" in k)
        sent = metrics["simulator/simulated_likes_total"] + metrics["ingest/http_accepted_total"]
        out.print(
            f"{sent / lasted:,.0f} likes/s sent for {lasted:.0f} s; {lag:,.0f} likes behind at its end at ingest alone"
        )
        out.print(
            f"HTTP answers beyond a token's rate {dict(callers.answers[greedy])}, of {HTTP_CALLERS} callers at once "
            f"{dict(callers.answers[crowd])}, none later than {callers.longest:.1f} s"
        )
        took = drain(fixture, watched, 1200)
        watched.look()
        out.print(watched.table("memory and file handles: overload, then drained"))
        out.print(f"all processed {took:.0f} s later")
        again = httpx.post(
            f"{fixture.stack.url('ingest')}/v1/likes", json=like(1), headers={"Authorization": f"Bearer {greedy}"}
        )
        out.print(f"a call afterwards: {again.status_code}")
    finally:
        fixture.stop()


def soak(folder: Path, bounds: dict[str, str]) -> None:
    fixture = Fixture(folder / "soak", 1, **bounds, INGEST_IDLE_SECONDS="5")
    try:
        fixture.start()
        watched = Watched(fixture)
        simulate(fixture, SOAK_RATE, SIMULATOR_PEOPLE="5000")
        for _ in track(range(SOAK_SECONDS // 10), "soak", console=out):
            time.sleep(10)
            watched.look()
        out.print(watched.table(f"{SOAK_SECONDS // 60} minutes at {SOAK_RATE:,} likes/s"))
        took = drain(fixture, watched, 120)
        out.print(f"every like accounted for {took:.0f} s after the last")
    finally:
        fixture.stop()


async def feed_actors(fixture: Fixture) -> None:
    producer = kafka.producer(fixture.settings)
    await producer.start()
    sender = BatchProducer(producer, LIKES, PARTITIONS)
    step = 5000
    for start in track(range(0, ACTORS, step), "feeding", console=out):
        events = [like(n, f"actor{n}", f"t{n % 5000}", n / ACTORS * 3600) for n in range(start, start + step)]
        keys, values = [e["actor_id"].encode() for e in events], [msgspec.json.encode(e) for e in events]
        await sender.send(keys, values, START_MS)
    await sender.flush()
    await producer.stop()


def _has_all_actors(fixture: Fixture, counter: str) -> bool:
    return fixture.stack.metrics().get(counter, 0) >= ACTORS


def blocks(fixture: Fixture) -> list[str]:
    """Processes in which one piece of work kept the event loop for too long; says it of all."""
    found = {
        label: fixture.value_of(f"{name}/event_loop_longest_block_seconds", label)
        for name, labels in fixture.labels.items()
        for label in labels
    }
    said = ", ".join(f"{label} {seconds:.2f} s" for label, seconds in found.items())
    out.print(f"longest block of an event loop: {said}", highlight=False)
    return [f"{label}: {seconds:.2f} s" for label, seconds in found.items() if seconds > BLOCK_SECONDS]


def restart(folder: Path, bounds: dict[str, str]) -> None:
    fixture = Fixture(folder / "restart", 1, **bounds)
    try:
        fixture.start()
        asyncio.run(feed_actors(fixture))
        counters = {"detector": "actor/likes_total", "predictor": "predictor/predictor_likes_total"}
        for counter in counters.values():
            wait(partial(_has_all_actors, fixture, counter), counter, 900)
        time.sleep(30)
        size = sum(f.stat().st_size for f in (fixture.folder / "checkpoints").rglob("*.npz")) / 2**20
        out.print(f"snapshots of {ACTORS:,} actors: {size:,.0f} MB (two of each)")
        blocked = blocks(fixture)
        for name, counter in counters.items():
            (label,) = fixture.labels[name]
            began = time.monotonic()
            fixture.stack.kill(label)
            new = fixture.restart(name, label)
            wait(partial(fixture.ready, new), new)
            wait(partial(_has_all_actors, fixture, counter), counter)
            out.print(f"{name}: killed, started, ready with all of its state after {time.monotonic() - began:.1f} s")
        # A rebalance: half of the state goes to another worker.
        fixture.stack.wait_ready(fixture.add("detector"))
        blocked += blocks(fixture)
        if blocked:
            raise RuntimeError(f"event loops were kept for more than {BLOCK_SECONDS} s: {'; '.join(blocked)}")
    finally:
        fixture.stop()


def main() -> None:
    # So that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("overload", "soak", "restart"))
    parser.add_argument(
        "--default-bounds",
        action="store_true",
        help="remember as much as by default (restart always does): memory grows until the bounds are reached",
    )
    options = parser.parse_args()
    bounds = {} if options.default_bounds or options.what == "restart" else SMALL
    with tempfile.TemporaryDirectory(prefix="truelike-load-") as folder:
        {"overload": overload, "soak": soak, "restart": restart}[options.what](Path(folder), bounds)


if __name__ == "__main__":
    main()
