"""Several topics joined in event time: what comes out does not depend on the order of reading, on crashes, on where
snapshots were.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import joining
from shared.checkpoints import CheckpointStore
from shared.frames import UNKNOWN_TIME, Output, from_message, lineage_of, to_output
from shared.joining import JoiningRunner
from tests.joining.logs import Sent, exposures_frame, last_frames, likes_frame
from tests.joining.shown import EXPOSURES, LIKES, ShownTask, new_join

Logs = dict[str, list[Output]]


class Answers:
    """What a reader of the answers takes, repetitions left out by lineage."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.repeated = 0
        self._mark = -1

    async def send(self, output: Output) -> asyncio.Future[Any]:
        lineage = lineage_of(output.headers)
        assert lineage is not None
        if lineage.place > self._mark:
            self._mark = lineage.place
            self.rows += from_message(output.value, output.headers).batch.to_pylist()
        else:
            self.repeated += 1
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


def runner_in(folder: Path, answers: Answers) -> JoiningRunner:
    return JoiningRunner("shown", ShownTask, new_join, CheckpointStore(folder, "shown"), answers.send, 1.0)


async def take(runner: JoiningRunner, logs: Logs, topic: str, offset: int) -> None:
    output = logs[topic][offset]
    await runner.take(topic, 0, offset, output.value, output.headers)


def logs_of(likes: list[Sent], exposures: list[Sent]) -> Logs:
    logs = {
        LIKES: [likes_frame(n, sent) for n, sent in enumerate(likes)],
        EXPOSURES: [exposures_frame(n, sent) for n, sent in enumerate(exposures)],
    }
    for output in last_frames(max(len(likes), len(exposures))):
        logs[output.topic].append(output)
    return logs


async def undisturbed(logs: Logs, folder: Path) -> Answers:
    answers = Answers()
    runner = runner_in(folder, answers)
    await runner.assign(0)
    for topic in (LIKES, EXPOSURES):
        for offset in range(len(logs[topic])):
            await take(runner, logs, topic, offset)
    return answers


rows = st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 2), st.integers(0, 3)), max_size=5)
frames = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12_000), rows), max_size=12)


@settings(max_examples=60, deadline=None)
@given(frames, frames, st.integers(0, 2**32))
def test_neither_the_order_of_reading_nor_crashes_change_what_comes_out(
    likes: list[Sent], exposures: list[Sent], seed: int
) -> None:
    logs, rng = logs_of(likes, exposures), random.Random(seed)
    for topic in logs:
        # A producer that started again sends some of its frames twice.
        logs[topic] += rng.choices(logs[topic], k=3)

    async def disturbed(folder: Path) -> Answers:
        answers, at, done = Answers(), {LIKES: 0, EXPOSURES: 0}, {LIKES: -1, EXPOSURES: -1}
        runner = runner_in(folder, answers)
        await runner.assign(0)
        while any(at[topic] < len(logs[topic]) for topic in at):
            happens = rng.choice(["likes", "likes", "exposures", "exposures", "snapshot", "crash"])
            if happens == "snapshot":
                for place in (await runner.checkpoint([0])).values():
                    done = {topic: runner.done_in(topic, 0, place) for topic in at}
            elif happens == "crash":
                runner = runner_in(folder, answers)
                await runner.assign(0)
                assert {topic: runner.position(topic, 0) for topic in at} == done
                # Kafka gives again what was not acknowledged, and perhaps some of what was.
                at = {topic: max(0, done[topic] + 1 - rng.randrange(3)) for topic in at}
            else:
                topic = LIKES if happens == "likes" else EXPOSURES
                if at[topic] < len(logs[topic]):
                    await take(runner, logs, topic, at[topic])
                    at[topic] += 1
        return answers

    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        expected = asyncio.run(undisturbed(logs, Path(one)))
        assert len(expected.rows) == sum(len(sent) for _, _, sent in likes)
        assert asyncio.run(disturbed(Path(other))).rows == expected.rows


async def test_a_like_is_answered_by_what_was_shown_before_it(tmp_path: Path) -> None:
    # The last one comes when its topic was farther: it counts as shown then, after the like.
    exposures: list[Sent] = [
        (0, 2_000, [(60, 1, 1), (5_000, 1, 3)]),
        (1, 2_000, [(600, 1, 2)]),
        (1, 2_000, [(9, 1, 4)]),
    ]
    # Seen 9 minutes before, 67 minutes before, only afterwards, too late.
    likes: list[Sent] = [(0, 4_200, [(1_140, 1, 2), (4_100, 1, 1), (4_120, 1, 3)]), (1, 4_300, [(1_200, 1, 4)])]
    answers = await undisturbed(logs_of(likes, exposures), tmp_path)
    assert [(row["event_id"], row["shown"]) for row in answers.rows] == [
        ("0-0-0", True),
        ("0-0-1", False),
        ("0-0-2", False),
        ("0-1-0", False),
    ]


async def test_a_frame_waits_for_all_of_its_parts_and_what_was_said_as_of_then(tmp_path: Path) -> None:
    logs = logs_of([(0, 100, [(100, 1, 1)]), (0, 100, [(100, 1, 2)])], [(0, 50, [(40, 1, 2)]), (1, 100, [])])
    first, second = logs[LIKES][:2]
    # Two parts of one frame: the first one does not say how far event time is.
    part = from_message(first.value, first.headers)
    assert part.lineage is not None
    begun = to_output(replace(part, lineage=msgspec.structs.replace(part.lineage, watermark=UNKNOWN_TIME)), LIKES, 0)
    end = msgspec.structs.replace(part.lineage, part=1)
    logs[LIKES][:2] = [begun, to_output(replace(from_message(second.value, second.headers), lineage=end), LIKES, 0)]
    answers = Answers()
    runner = runner_in(tmp_path, answers)
    await runner.assign(0)
    for topic, offsets, rows in (
        (EXPOSURES, (0, 1), 0),
        (LIKES, (0, 1), 0),
        (EXPOSURES, (2,), 0),
        (EXPOSURES, (3,), 2),
    ):
        for offset in offsets:
            await take(runner, logs, topic, offset)
        assert len(answers.rows) == rows, (topic, offsets)
        await runner.checkpoint([0])
        runner = runner_in(tmp_path, answers)
        await runner.assign(0)
    assert [row["shown"] for row in answers.rows] == [False, True]


async def test_a_topic_that_is_far_ahead_waits_for_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "MOST_WAITING", 10)
    logs = logs_of([(n % 2, 100 * n, [(100 * n + k, 1, 1) for k in range(5)]) for n in range(1, 20)], [])
    answers = Answers()
    runner = runner_in(tmp_path, answers)
    await runner.assign(0)

    async def likes() -> None:
        for offset in range(len(logs[LIKES])):
            await take(runner, logs, LIKES, offset)

    reading = asyncio.create_task(likes())
    await asyncio.sleep(0.05)
    # Up to 10 may wait, and the five that came then.
    assert runner.position(LIKES, 0) == 2
    assert runner.waits(LIKES, 0)
    assert (await runner.checkpoint([0])) == {0: 2}
    for offset in range(len(logs[EXPOSURES])):
        await take(runner, logs, EXPOSURES, offset)
    await asyncio.wait_for(reading, 5)
    assert not runner.waits(LIKES, 0)
    assert len(answers.rows) == 95
    # Somebody else's from now on: who waits does not wait for ever.
    assert runner.counters()["late_rows"] == 0


async def test_a_partition_that_is_given_away_keeps_no_reader_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "MOST_WAITING", 1)
    logs = logs_of([(n % 2, 100 * n, [(100 * n + k, 1, 1) for k in range(5)]) for n in range(1, 6)], [])
    runner = runner_in(tmp_path, Answers())
    await runner.assign(0)
    await take(runner, logs, LIKES, 0)
    reading = asyncio.create_task(take(runner, logs, LIKES, 1))
    await asyncio.sleep(0.01)
    assert not reading.done()
    runner.drop(0)
    await asyncio.wait_for(reading, 5)
