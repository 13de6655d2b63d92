"""Paused workers, full disks, repetitions, silence: the parts that the fault suite tries as a whole."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError
from starlette.applications import Starlette

from services.exporter.files import ExportFolder
from services.exporter.runner import ExportRunner, ExportTask
from services.ingest.sources import Sources
from services.predictor.shares import Shares
from shared import dependency, redis_connection
from shared.checkpoints import Checkpoint, CheckpointStore, Fenced
from shared.dependency import Dependency
from shared.faust_stages import FaustStages
from shared.frames import Frame, Lineage, Output, numbered, to_output
from shared.health import Health, StallWatch
from shared.idempotent_redis import IdempotentWriter
from shared.partitions import Partition
from shared.schemas import TRUSTED_LIKES
from shared.settings import ServiceSettings
from tests.likes import START_MS


def trusted(numbers: list[int]) -> pa.RecordBatch:
    rows = [
        {
            "event_id": f"e{n}",
            "occurred_at": START_MS + n,
            "actor_id": "ann",
            "target_id": "x",
            "sent_at": START_MS,
            "human_probability": 0.95,
            "label": 0,
            "revision": 0,
        }
        for n in numbers
    ]
    return pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES)


def message(number: int) -> Output:
    frame = Frame("trusted-likes", trusted([number]), Lineage("verdict-likes", 0, number, 0))
    return to_output(frame, "trusted-likes.v1", 0)


def exporter(folder: Path) -> ExportRunner:
    writer = IdempotentWriter(redis_connection.connect(ServiceSettings()), "exporter", "trusted-likes.v1")
    store = CheckpointStore(folder / "checkpoints", "exporter")
    return ExportRunner(ExportFolder(folder / "export"), 1000, writer, store, 1)


async def feed(runner: ExportRunner, numbers: range) -> None:
    for number in numbers:
        sent = message(number)
        await runner.handle(0, number, sent.value, sent.headers)


def exported(folder: Path) -> list[str]:
    return sorted(
        pq.read_table(folder / "export", partitioning="hive", columns=["event_id"]).column("event_id").to_pylist(),
        key=lambda e: int(e[1:]),
    )


async def test_an_exporter_that_was_paused_writes_nothing_of_what_another_has_taken_over(tmp_path: Path) -> None:
    paused, other = exporter(tmp_path), exporter(tmp_path)
    await paused.assign(0)
    await feed(paused, range(5))
    await paused.checkpoint([0])
    await feed(paused, range(5, 9))
    # It stops here, for longer than the group waits.
    await other.assign(0)
    assert other.held[0].offset == 4
    await feed(other, range(5, 12))
    with pytest.raises(Fenced):
        await paused.checkpoint([0])
    await other.checkpoint([0])
    with pytest.raises(Fenced):
        await paused.checkpoint([0])
    assert exported(tmp_path) == [f"e{n}" for n in range(12)]


async def test_files_of_a_snapshot_are_put_in_place_by_whoever_comes_next(tmp_path: Path) -> None:
    first, second = exporter(tmp_path), exporter(tmp_path)
    await first.assign(0)
    await feed(first, range(4))
    first.folder.publish = lambda *_: None  # type: ignore[method-assign]  # it dies between snapshot and rename
    await first.checkpoint([0])
    assert not list((tmp_path / "export").glob("date=*"))
    await second.assign(0)
    await feed(second, range(4, 6))
    await second.checkpoint([0])
    assert exported(tmp_path) == [f"e{n}" for n in range(6)]


@pytest.mark.parametrize("fails_in", ["stage", "save", "publish"])
async def test_a_full_disk_stops_input_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_in: str
) -> None:
    monkeypatch.setattr(dependency, "FIRST_DELAY_SECONDS", 0.01)
    runner = exporter(tmp_path)
    await runner.assign(0)
    await feed(runner, range(3))
    full = True
    place: Any = runner._store if fails_in == "save" else runner.folder
    works = getattr(place, fails_in)

    def no_room(*arguments: Any) -> Any:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return works(*arguments)

    monkeypatch.setattr(place, fails_in, no_room)
    saving = asyncio.create_task(runner.checkpoint([0]))
    await asyncio.sleep(0.1)
    assert runner.disk.error is not None
    assert "No space left" in runner.disk.error
    handling = asyncio.create_task(feed(runner, range(3, 5)))
    await asyncio.sleep(0.05)
    assert not handling.done()
    full = False
    assert await saving == {0: 2}
    await handling
    assert runner.disk.error is None
    await runner.checkpoint([0])
    assert exported(tmp_path) == [f"e{n}" for n in range(5)]
    again = exporter(tmp_path)
    await again.assign(0)
    assert again.held[0].task.counters["exported_likes"] == 5


def test_only_the_last_to_take_a_partition_may_save(tmp_path: Path) -> None:
    one, two = CheckpointStore(tmp_path, "stage"), CheckpointStore(tmp_path, "stage")
    assert one.acquire(3) is None
    one.save(3, Checkpoint(1, {"a": np.array([1])}, {}))
    found = two.acquire(3)
    assert found is not None
    assert found.offset == 1
    with pytest.raises(Fenced):
        one.save(3, Checkpoint(2, {"a": np.array([2])}, {}))
    two.save(3, Checkpoint(2, {"a": np.array([2])}, {}))
    # Partitions are taken one by one.
    one.acquire(4)
    two.save(3, Checkpoint(5, {"a": np.array([5])}, {}))
    assert not list(tmp_path.rglob("*.tmp"))
    assert one.load(3) is not None


def test_frames_of_one_source_and_offset_get_places_of_their_own() -> None:
    def place(output: Output) -> tuple[str, int]:
        from shared.frames import lineage_of

        lineage = lineage_of(output.headers)
        assert lineage is not None
        return lineage.source, lineage.place

    sent = [message(7), message(7), Output("verdicts.v1", b"{}", 0), message(7)]
    places = [place(o) for o in numbered(sent) if o.headers]
    assert len(set(places)) == 3
    assert places == sorted(places)
    assert places[-1] < place(message(8))


def test_a_partition_whose_end_is_not_known_is_not_idle() -> None:
    sources = Sources(2, idle_seconds=5, speed=1)
    sources.take(0, START_MS, 0.0)
    sources.take(1, START_MS + 60_000, 0.0)
    sources.read(1, START_MS + 90_000, 9.0)
    # Partition 0 has lost its leader: nothing was read, but nobody said that there is nothing.
    sources.wait_for(0, 9.0)
    assert sources.progress(10.0).watermarks == {0: START_MS, 1: START_MS + 90_000}
    assert sources.progress(15.0).watermarks[0] > START_MS


async def test_a_dependency_is_waited_for_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependency, "FIRST_DELAY_SECONDS", 0.001)
    redis = Dependency("redis", ConnectionError)
    seen: list[str | None] = []

    async def write() -> int:
        seen.append(redis.error)
        if len(seen) < 4:
            raise ConnectionError("refused")
        return 7

    assert await redis.when_available(write) == 7
    assert seen == [None, *["ConnectionError: refused"] * 3]
    assert redis.error is None

    async def broken() -> None:
        raise KeyError("not for this one to wait for")

    with pytest.raises(KeyError):
        await redis.when_available(broken)


def test_a_stall_is_work_without_progress_that_waits_for_nothing() -> None:
    watch = StallWatch()
    assert watch.stalled(0, 0.0, [None], 1000.0) is None
    # Work that has just come after an hour of rest.
    assert watch.stalled(5, 0.0, [None], 4600.0) is None
    assert watch.stalled(5, 4610.0, [None], 4635.0) is None
    assert watch.stalled(5, 4610.0, [None], 4641.0) == "5 messages wait, none processed for 31 s"
    assert watch.stalled(5, 4610.0, ["ConnectionError"], 4700.0) is None
    assert watch.stalled(5, 4610.0, [None], 4710.0) is None


async def test_healthz_turns_when_frames_wait_and_none_is_processed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when Faust's own consumer hangs and knows of no new frames: the broker is asked, not it."""
    now = 5000.0
    monkeypatch.setattr("shared.worker.time.monotonic", lambda: now)
    stages = FaustStages("exporter", ServiceSettings.model_validate({}))
    runner = exporter(Path("nowhere"))
    stages.add("trusted-likes.v1", runner)
    runner.held[0] = Partition(ExportTask(0), offset=3)
    stages.broker.error = None
    place = TopicPartition("trusted-likes.v1", 0)
    app = Starlette(routes=Health("exporter", stages.ready, stages.live, stages.samples).routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://exporter") as client:
        stages.broker.ends = {place: 4}
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
        stages.broker.ends = {place: 9}
        assert (await client.get("/healthz")).status_code == 200
        now += 31
        stalled = await client.get("/healthz")
        assert (stalled.status_code, stalled.json()["checks"]["progress"]) == (
            503,
            "5 messages wait, none processed for 31 s",
        )
        assert (
            'truelike_lag_frames{partition="0",service="exporter",stage="exporter"} 5.0'
            in (await client.get("/metrics")).text
        )
        # The broker is away: it waits, and says for what.
        stages.broker.error = "no answer within 3 s"
        assert (await client.get("/readyz")).json()["checks"]["broker"] == "no answer within 3 s"
        assert (await client.get("/healthz")).status_code == 200


class SlowToStart:
    """Of aiokafka's consumer what a membership needs; the broker is out of reach for the first one."""

    def __init__(self, made: list[SlowToStart], polled: asyncio.Event) -> None:
        self.first, self.stopped, self.polled = not made, False, polled
        made.append(self)

    def subscribe(self, *_: Any, **__: Any) -> None:
        pass

    async def start(self) -> None:
        if self.first:
            raise UnknownTopicOrPartitionError

    async def getmany(self, timeout_ms: int) -> None:
        self.polled.set()
        await asyncio.sleep(0)

    async def stop(self) -> None:
        self.stopped = True


async def test_a_predictor_that_cannot_join_its_group_at_once_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[SlowToStart] = []
    polled = asyncio.Event()
    monkeypatch.setattr("shared.kafka.consumer", lambda *_, **__: SlowToStart(made, polled))
    settings = ServiceSettings()
    shares = Shares(settings, redis_connection.connect(settings), 1, Dependency("redis").when_available)
    shares.join(None)
    await asyncio.wait_for(polled.wait(), 10)
    shares.check()
    await shares.leave()
    assert [consumer.stopped for consumer in made] == [True, True]


async def test_messages_that_come_before_a_snapshot_is_read_wait_for_it(tmp_path: Path) -> None:
    """Faust hands out messages while it still tells of the assignment; what is not held is left to its owner."""
    first, runner = exporter(tmp_path), exporter(tmp_path)
    await first.assign(0)
    await feed(first, range(4))
    await first.checkpoint([0])
    runner.expect([0, 1])
    handling = asyncio.create_task(feed(runner, range(7)))
    await asyncio.sleep(0.05)
    assert not handling.done()
    await runner.assign(0)
    await handling
    await runner.checkpoint([0])
    assert exported(tmp_path) == [f"e{n}" for n in range(7)]
