from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.checkpoints import Checkpoint, CheckpointStore, pack_blobs, unpack_blobs
from shared.compiled import drop_stale
from shared.contract.times import epoch_ms
from shared.events import rfc3339
from shared.frames import Frame, Lineage, Output, Progress, decode, encode, from_message, join, to_output
from shared.hashing import hash_strings, siphash
from shared.latency import LatencyHistogram, quantile
from shared.slots import SlotTable
from shared.stage import StageRunner


def test_siphash_matches_the_vectors_of_its_authors() -> None:
    key = tuple(int.from_bytes(bytes(range(at, at + 8)), "little") for at in (0, 8))
    vectors = {
        0: 0x726FDB47DD0E0E31,
        1: 0x74F839C593DC67FD,
        2: 0x0D6C8009D9A94F5A,
        8: 0x93F5F5799A932462,
        15: 0xA129CA6149BE45E5,
    }
    for size, expected in vectors.items():
        data = np.frombuffer(bytes(range(size)), np.uint8)
        assert siphash(data, 0, size, *(np.uint64(k) for k in key)) == expected


@given(st.lists(st.text(max_size=40), max_size=30), st.integers(0, 5))
def test_hashes_depend_on_the_text_only(texts: list[str], start: int) -> None:
    column = pa.array(texts, pa.string())
    hashes = hash_strings(column)
    assert (hashes != 0).all()
    assert hash_strings(column.slice(start)).tolist() == hashes[start:].tolist()
    assert len(set(hashes.tolist())) == len(set(texts))


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=300), st.integers(1, 50))
def test_slot_table_is_a_dict_whatever_the_batches(rows: list[tuple[int, int]], size: int) -> None:
    table, reference = SlotTable({"sum": np.int64}, max_rows=1000, initial_rows=4), {}
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        slots, _ = table.insert(np.array([k for k, _ in part], np.uint64))
        np.add.at(table["sum"], slots, [v for _, v in part])
        for key, value in part:
            reference[key] = reference.get(key, 0) + value
    used = table.occupied()
    assert dict(zip(table.keys[used].tolist(), table["sum"][used].tolist(), strict=True)) == reference
    copy = SlotTable({"sum": np.int64}, max_rows=1000)
    copy.restore("t", table.snapshot("t"))
    assert all((copy.snapshot("t")[name] == array).all() for name, array in table.snapshot("t").items())


def test_a_full_slot_table_lets_the_oldest_go_and_counts_them() -> None:
    table = SlotTable({}, max_rows=100, initial_rows=4)
    for time in range(1000):
        slots, _ = table.insert(np.array([time + 1], np.uint64))
        table["touched"][slots] = time
    assert len(table) <= 100
    assert len(table) + table.evicted == 1000
    assert table.find(np.array([1000], np.uint64))[0] >= 0
    assert table.find(np.array([1], np.uint64))[0] == -1


def test_frames_survive_the_journey() -> None:
    batch = pa.RecordBatch.from_pydict({"a": [1, 2], "b": ["x", None]})
    frame = Frame("likes", batch, Lineage("actor", 3, 17, 99), Progress(2, {0: 5}))
    output = to_output(frame, "topic", 1)
    found = from_message(output.value, output.headers)
    assert (found.kind, found.lineage, found.progress) == (frame.kind, frame.lineage, frame.progress)
    assert found.batch.equals(batch)
    big = pa.RecordBatch.from_pydict({"a": list(range(5000))})
    assert decode(encode(big)).equals(big)
    assert join([], batch.schema).num_rows == 0


def test_checkpoints_are_whole_and_the_newest_wins(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, "stage")
    for offset in (5, 12, 9):
        store.save(0, Checkpoint(offset, {"x": np.array([offset])}, {"n": offset}))
    (tmp_path / "stage" / "0" / ".99.1.tmp").write_bytes(b"half")
    found = store.load(0)
    assert found is not None
    assert (found.offset, found.arrays["x"][0], found.facts) == (12, 12, {"n": 12})
    assert store.load(1) is None
    assert len(list((tmp_path / "stage" / "0").glob("*.npz"))) == 2


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_blobs_pack_and_unpack(blobs: list[bytes]) -> None:
    assert unpack_blobs("b", pack_blobs("b", blobs)) == blobs


@pytest.mark.parametrize("text", ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", "2026-01-31T12:00:00.000Z"])
def test_times_are_utc_milliseconds(text: str) -> None:
    assert rfc3339(epoch_ms(text)) == "2026-01-31T12:00:00Z"


@pytest.mark.parametrize(
    "wrong", ["2026-01-31T12:00:00", "yesterday", -1, True, 1.5, None, 10**20, 0, 99_999_999, "9999-01-01T00:00:00Z"]
)
def test_times_that_are_none(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"time|expected"):
        epoch_ms(wrong)


def test_latency_quantiles_are_exact_to_a_bucket() -> None:
    histogram = LatencyHistogram()
    histogram.observe(np.arange(1, 1001))
    found = quantile(histogram.cumulative(), 0.99)
    assert found is not None
    assert 990 <= found <= 990 * 1.19
    assert quantile([], 0.5) is None


class Adder:
    """A task whose state is a sum, and that passes each value on."""

    def __init__(self, partition: int) -> None:
        self.counters = {"frames": 0}
        self.sum = 0

    def process(self, frame: Frame, offset: int) -> list[Output]:
        self.sum += frame.batch.column("v")[0].as_py()
        self.counters["frames"] += 1
        return [Output("out", str(self.sum).encode(), 0)]

    def snapshot(self) -> dict[str, np.ndarray]:
        return {"sum": np.array([self.sum])}

    def restore(self, arrays: dict[str, np.ndarray]) -> None:
        self.sum = int(arrays["sum"][0])


@given(values=st.lists(st.integers(0, 99), min_size=1, max_size=25), seed=st.integers(0, 10_000))
def test_a_stage_that_crashes_anywhere_ends_as_if_it_had_not(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], seed: int
) -> None:
    """Frames arrive twice after their producer's crash, the stage dies between snapshots: the sum is the same."""
    log, chance = [], random.Random(seed)
    for number, value in enumerate(values):
        batch = pa.RecordBatch.from_pydict({"v": [value]})
        message = to_output(Frame("x", batch, Lineage("before", 0, number, 0)), "in", 0)
        log.append(message)
        if chance.random() < 0.3:
            log += log[-chance.randint(1, 3) :]
    folder = tmp_path_factory.mktemp("checkpoints")

    async def run() -> tuple[int, list[bytes]]:
        sent: list[bytes] = []

        async def send(output: Output) -> asyncio.Future[None]:
            sent.append(output.value)
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.set_result(None)
            return future

        async def fresh() -> StageRunner:
            runner = StageRunner("adder", Adder, CheckpointStore(folder, "adder"), send, 1.0)
            await runner.assign(0)
            return runner

        runner, position = await fresh(), 0
        while position < len(log):
            await runner.handle(0, position, log[position].value, log[position].headers)
            position += 1
            if chance.random() < 0.4:
                await runner.checkpoint([0])
            if chance.random() < 0.2:
                runner = await fresh()
                position = runner.held[0].offset + 1
        task = runner.held[0].task
        assert isinstance(task, Adder)
        assert task.counters["frames"] == len(values)
        return task.sum, sent

    total, sent = asyncio.run(run())
    assert total == sum(values)
    assert list(dict.fromkeys(int(v) for v in sent))[-1] == total


def test_compiled_code_older_than_any_source_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    source, compiled = tmp_path / "services" / "a.py", tmp_path / "services" / "__pycache__" / "b.f-1.nbi"
    compiled.parent.mkdir(parents=True)
    source.touch()
    compiled.touch()
    os.utime(source, (100, 100))
    os.utime(compiled, (200, 200))
    assert drop_stale(tmp_path) == 0
    assert compiled.exists()
    os.utime(source, (300, 300))
    assert drop_stale(tmp_path) == 1
    assert not compiled.exists()
