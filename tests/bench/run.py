"""`make bench`: each row beside its reference, in one run; prints a table and writes docs/benchmarks.md.

LIKES sets the length of the memory rows (default 1,000,000), SUSTAIN the seconds of the pipeline row.
"""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from services.cli.embedded import Broker, Redis
from services.cli.stack import PROJECT, SERVICES, Stack, latency_quantile
from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.ingest.framing import FrameBuilder
from services.ingest.intake import Intake
from services.replay.offline import OfflineIngest
from shared import kafka
from shared.batches import BatchProducer
from shared.contract.decode import FastLike, Message
from shared.events import Like
from shared.frames import Progress
from shared.settings import ServiceSettings
from shared.topics import LIKES
from tests.bench import predictor
from tests.bench.measuring import Row, rate_of, world_events

LIKES_COUNT = int(os.environ.get("LIKES", "1000000"))
SUSTAIN = float(os.environ.get("SUSTAIN", "60"))
RATE = float(os.environ.get("RATE", "20000"))


async def drain(settings: ServiceSettings, count: int, take: Callable[[list[Message]], None]) -> int:
    consumer = kafka.consumer(settings, LIKES)
    await consumer.start()
    found = 0
    while found < count:
        for records in (await consumer.getmany(timeout_ms=200, max_records=4000)).values():
            take([Message(r.value, r.partition, r.offset, r.timestamp, {}) for r in records])
            found += len(records)
    await consumer.stop()
    return found


def ingest_rows(settings: ServiceSettings, count: int) -> list[Row]:
    """Bare loops and ingest's whole path (read, check, deduplicate, cut, encode), alternating in one run."""
    decoder = msgspec.json.Decoder(FastLike)

    def bare_pydantic(messages: list[Message]) -> None:
        for message in messages:
            Like.model_validate_json(message.value or b"")

    def bare_msgspec(messages: list[Message]) -> None:
        for message in messages:
            decoder.decode(message.value or b"")

    def ingest() -> Callable[[list[Message]], None]:
        intake, builder = Intake(1_000_000), FrameBuilder(settings.partitions, 4096)

        def take(messages: list[Message]) -> None:
            builder.add(intake.take(messages).likes)
            builder.close(Progress(settings.partitions, {}))

        return take

    def run(take: Callable[[list[Message]], None]) -> Callable[[], int]:
        return lambda: asyncio.run(drain(settings, count, take))

    pydantic_rate, msgspec_rate = rate_of(run(bare_pydantic)), rate_of(run(bare_msgspec))
    ours = rate_of(lambda: asyncio.run(drain(settings, count, ingest())))
    return [
        (
            "ingest, JSON in, frames out",
            f"{ours:,.0f} likes/s",
            f"bare aiokafka + pydantic {pydantic_rate:,.0f}",
            f"{ours / pydantic_rate:.2f}",
        ),
        ("", "", f"bare aiokafka + msgspec {msgspec_rate:,.0f}", f"{ours / msgspec_rate:.2f}"),
    ]


def detector_row(keys: list[bytes], values: list[bytes]) -> Row:
    ingest = OfflineIngest(4)
    names = [k.decode() for k in keys]
    frames = [
        f for n in range(0, len(values), 16_000) for f in ingest.take(values[n : n + 16_000], names[n : n + 16_000])
    ]

    def run() -> int:
        detector = Detector(Judgement(4))
        for frame in frames:
            for _ in detector.feed([frame]):
                pass
        return len(values)

    ours = rate_of(run)

    def count_only() -> int:
        from shared.frames import from_message

        totals: dict[str, int] = {}
        for frame in frames:
            counted = from_message(frame.value, frame.headers).batch.column("actor_id").value_counts()
            for actor, n in zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True):
                totals[actor] = totals.get(actor, 0) + n
        return len(values)

    reference = rate_of(count_only)
    return (
        "detector, all stages, one core",
        f"{ours:,.0f} likes/s",
        f"decode + count by actor {reference:,.0f}",
        f"{ours / reference:.2f}",
    )


def pipeline_rows(console: Console) -> list[Row]:
    """The whole stack on this machine with the simulator, at RATE for SUSTAIN seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker, redis = Broker(folder), Redis(folder)
        broker.start()
        redis.start()
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "REDIS_URL": redis.url,
            "KAFKA_IDEMPOTENCE": "false",
        }
        stack = Stack(folder, environment)
        try:
            asyncio.run(
                kafka.create_topics(ServiceSettings.model_validate({k.lower(): v for k, v in environment.items()}))
            )
            for service in SERVICES:
                stack.start(service)
            stack.wait_ready(*SERVICES)
            stack.start(
                "simulator",
                SIMULATOR_RATE=str(RATE),
                SIMULATOR_PEOPLE="300000",
                SIMULATOR_ITEMS="50000",
                SIMULATOR_LIKES=str(LIKES_COUNT),
            )
            stack.wait_ready("simulator")
            began, memory, judged = time.monotonic(), [], []
            for _ in track(range(round(max(SUSTAIN, LIKES_COUNT / RATE) / 5)), "sustained load", console=console):
                time.sleep(5)
                metrics = stack.metrics(30)
                judged.append(
                    (
                        time.monotonic() - began,
                        metrics.get("simulator/acknowledged_messages_total", 0),
                        metrics.get("verdict/judged_likes_total", 0),
                        metrics.get("predictor/predictor_likes_total", 0),
                    )
                )
                memory.append({s: psutil.Process(stack.processes[s].pid).memory_info().rss / 1e6 for s in SERVICES})
        finally:
            stack.stop()
            redis.stop()
            broker.stop()
    # Only while the simulator was sending: afterwards lag can but shrink.
    sending = [row for n, row in enumerate(judged) if n == 0 or row[1] > judged[n - 1][1]][:-1]
    seconds, sent, weighed, predicted = sending[-1]
    seconds, first_sent = seconds - sending[0][0], sending[0][1]
    middle = sending[len(sending) // 2]
    p99 = latency_quantile(metrics, "verdict", 0.99)
    p99_prediction = latency_quantile(metrics, "predictor", 0.99)
    rows = [
        (
            "whole pipeline, sent",
            f"{(sent - first_sent) / seconds:,.0f} likes/s over {seconds:.0f} s",
            f"goal {RATE:,.0f}",
            f"{(sent - first_sent) / seconds / RATE:.2f}",
        ),
        (
            "lag to weight, middle and end",
            f"{middle[1] - middle[2]:,.0f} and {sent - weighed:,.0f} likes",
            "not growing",
            "",
        ),
        (
            "lag to prediction, middle and end",
            f"{middle[1] - middle[3]:,.0f} and {sent - predicted:,.0f} likes",
            "not growing",
            "",
        ),
        ("p99 from send to provisional weight", f"{p99} s", "goal 2 s", ""),
        ("p99 from send to prediction in Redis", f"{p99_prediction} s", "", ""),
    ]
    for service in SERVICES:
        trail = [m[service] for m in memory]
        rows.append(
            (
                f"memory of {service}",
                f"{trail[len(trail) // 4]:.0f} MB at a quarter, {trail[-1]:.0f} MB after {judged[-1][2]:,.0f} likes",
                "flat",
                "",
            )
        )
    return rows


def main() -> None:
    console = Console()
    if sys.argv[1:] == ["pipeline"]:
        rows = pipeline_rows(console)
    else:
        count = 200_000
        keys, values = world_events(count)
        with tempfile.TemporaryDirectory() as name:
            broker = Broker(Path(name))
            broker.start()
            settings = ServiceSettings(kafka_bootstrap_servers=broker.bootstrap_servers, kafka_idempotence=False)

            async def fill() -> None:
                await kafka.create_topics(settings)
                producer = kafka.producer(settings)
                await producer.start()
                sender = BatchProducer(producer, LIKES, settings.partitions)
                for n in range(0, count, 5000):
                    await sender.send(keys[n : n + 5000], values[n : n + 5000], int(time.time() * 1000))
                await sender.flush()
                await producer.stop()

            try:
                asyncio.run(fill())
                rows = ingest_rows(settings, count)
            finally:
                broker.stop()
        rows += [detector_row(keys, values), *predictor.rows(keys, values)]
        rows += pipeline_rows(console)
    table = Table("what", "measured", "reference in the same run", "ratio", title="Truelike benchmark")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    revision = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True
    ).stdout.strip()
    lines = [
        "# Benchmarks",
        "",
        f"`make bench` at {revision or 'an unknown revision'}, {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}. "
        "Absolute figures hold for that machine and hour; compare ratios.",
        "",
        "| what | measured | reference in the same run | ratio |",
        "|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]
    target = PROJECT / "docs" / "benchmarks.md"
    target.write_text("\n".join(lines))
    console.print(f"written to {target.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
