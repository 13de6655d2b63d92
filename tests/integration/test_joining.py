"""A joining stage as processes: two workers share the partitions, one is killed, and the answers are as if offline."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared import kafka
from shared.frames import Output, from_message
from shared.settings import ServiceSettings
from shared.topics import Arrow, Topic
from tests.integration.platform import Platform
from tests.joining.logs import Sent, exposures_frame, last_frames, likes_frame
from tests.joining.shown import ANSWER, ANSWERS, EXPOSURE, EXPOSURES, LIKE, LIKES, ShownTask, new_join
from tests.topics import read_frames

pytestmark = pytest.mark.integration

PARTITIONS = 2
TOPICS = tuple(
    Topic(name, True, "a test's", Arrow({kind: schema}), "actor_id", {})
    for name, kind, schema in ((LIKES, "likes", LIKE), (EXPOSURES, "exposures", EXPOSURE), (ANSWERS, "answers", ANSWER))
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Platform]:
    """A platform of which no service runs."""
    running = Platform(tmp_path, ())
    try:
        yield running
    finally:
        running.stop()


def made(seed: int, partition: int) -> list[Output]:
    """Two topics' frames as they may come, some slates late, each source now and then behind the other."""
    rng, found, exposed = random.Random(seed), [], []
    for number in range(120):
        at = 60 * number
        exposures = [(max(0, at + rng.randrange(-200, 300)), rng.randrange(8), rng.randrange(20)) for _ in range(4)]
        exposed += exposures
        liked = [(max(0, at + rng.randrange(-200, 300)), *rng.choice(exposed)[1:]) for _ in range(3)]
        for make, rows in ((exposures_frame, exposures), (likes_frame, liked)):
            sent: Sent = (number % 2, max(0, at - rng.randrange(120)), rows)
            found.append(make(number, sent, partition))
    return [*found, *last_frames(120, partition)]


def offline(outputs: list[Output], partition: int) -> list[dict[str, Any]]:
    join, task, rows = new_join(), ShownTask(partition), []
    # One topic after the other: the order in which they are read must not show.
    for output in sorted(outputs, key=lambda o: o.topic):
        for step in join.add(output.topic, from_message(output.value, output.headers)):
            for answer in task.process(step):
                rows += from_message(answer.value, answer.headers).batch.to_pylist()
    return rows


async def send(settings: ServiceSettings, outputs: list[Output]) -> None:
    producer = kafka.producer(settings)
    await producer.start()
    for output in outputs:
        await kafka.send(producer, output)
    await producer.stop()


def answers(settings: ServiceSettings) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {p: [] for p in range(PARTITIONS)}
    frames, _ = asyncio.run(read_frames(settings, ANSWERS, PARTITIONS))
    for _, frame in frames:
        assert frame.lineage is not None
        found[frame.lineage.partition] += frame.batch.to_pylist()
    return found


def test_a_killed_worker_changes_no_answer(broker: Platform) -> None:
    asyncio.run(kafka.create_topics(broker.settings, topics=TOPICS))
    logs = {partition: made(7 + partition, partition) for partition in range(PARTITIONS)}
    expected = {partition: offline(logs[partition], partition) for partition in logs}
    assert all(len(rows) == 360 for rows in expected.values())
    assert 20 < sum(row["shown"] for row in expected[0]) < 340
    stack, workers = broker.stack, ["shown-0", "shown-1"]
    for worker in workers:
        stack.start("joining", worker, package="tests", CHECKPOINT_SECONDS="0.3")
    parts = 12
    for part in range(parts):
        for log in logs.values():
            size = len(log) // parts + 1
            asyncio.run(send(broker.settings, log[part * size : (part + 1) * size]))
        if part in (4, 8):
            killed = workers[part // 8]
            stack.kill(killed)
            stack.start("joining", killed, package="tests", CHECKPOINT_SECONDS="0.3")
        time.sleep(0.4)
    deadline = time.monotonic() + 90
    while (found := answers(broker.settings)) != expected:
        assert all(process.poll() is None for process in stack.processes.values()), stack.folder
        assert time.monotonic() < deadline, (stack.folder, {p: len(rows) for p, rows in found.items()})
        time.sleep(0.5)
    assert stack.stop(*workers) == dict.fromkeys(workers, 0)
