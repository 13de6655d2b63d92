"""One load through all stages of the detector, in a process of its own: its memory is the detector's and nobody else's.

`python -m tests.bench.detector_run 70` prints what was measured as JSON; with `--profile` where the time went.
`--first N` stops after N likes, for a look that does not take minutes.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import psutil

from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.detector.warm_up import warm_up
from services.ingest.framing import FrameBuilder
from shared.checkpoints import Checkpoint, CheckpointStore
from shared.frames import Output, Progress
from tests.bench.crowd import BATCH, Load, batches
from tests.bench.loads import LOADS
from tests.bench.windows import Windows, require

PARTITIONS = 4
# As in a service: what starts a thread per core measures the machine's other cores.
ONE_CORE = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "NUMBA", "OPENBLAS", "ARROW")}
PROFILED = 45
# No further round begins after this long.
ENOUGH_SECONDS = 60


class Measured(msgspec.Struct, frozen=True):
    """`likes_per_second`: likes a second of the core's time, median of the rounds. Memory in bytes; `idle_memory` is
    before the first like, compiled code and all. `frames_ms`: median, 99th percentile and greatest time of a batch.
    """

    likes: int
    likes_per_second: float
    rounds: list[float]
    closed: dict[int, int]
    frames_ms: tuple[float, float, float]
    idle_memory: int
    peak_memory: int
    outputs: dict[str, int]
    counters: dict[str, int]
    state_rows: int
    snapshot_seconds: float
    slowest_snapshot_seconds: float
    snapshot_bytes: int


def arrivals(load: Load, first: int | None, windows: Windows) -> Iterator[tuple[int, list[Output]]]:
    """(likes, frames by actor) as ingest would send them: the watermark of every source with each frame."""
    builder, latest, total = FrameBuilder(PARTITIONS, BATCH), np.full(PARTITIONS, -1, np.int64), 0
    for batch in batches(load, PARTITIONS):
        times = batch.column("occurred_at").to_numpy()
        np.maximum.at(latest, batch.column("source_partition").to_numpy(), times)
        windows.add(times)
        builder.add(batch)
        yield batch.num_rows, builder.close(Progress(PARTITIONS, dict(enumerate(latest.tolist()))))
        total += batch.num_rows
        if first is not None and total >= first:
            return


@dataclass
class Round:
    """A detector that has seen the whole load, and what that took of it."""

    detector: Detector
    windows: Windows
    likes: int = 0
    seconds: list[float] = field(default_factory=list)
    peak_memory: int = 0
    outputs: Counter[str] = field(default_factory=Counter)

    @property
    def likes_per_second(self) -> float:
        return self.likes / sum(self.seconds)


def one_round(load: Load, first: int | None = None, profile: cProfile.Profile | None = None) -> Round:
    """Only the detector's own time counts (and is profiled), not how the likes were made."""
    settings = Judgement(PARTITIONS)
    found = Round(Detector(settings), Windows(settings.lateness_ms))
    process = psutil.Process()
    for likes, messages in arrivals(load, first, found.windows):
        if profile is not None:
            profile.enable()
        began = time.process_time()
        outputs = [output.topic for output in found.detector.feed(messages)]
        found.seconds.append(time.process_time() - began)
        if profile is not None:
            profile.disable()
        found.likes += likes
        found.outputs.update(outputs)
        found.peak_memory = max(found.peak_memory, process.memory_info().rss)
    return found


def measure(load: Load, first: int | None = None) -> Measured:
    """Raises TooFew where fewer windows closed than the load promises."""
    warm_up()
    began = time.perf_counter()
    idle = psutil.Process().memory_info().rss
    last = one_round(load, first)
    # Later rounds would find the memory of earlier ones.
    peak, rates = last.peak_memory, [last.likes_per_second]
    while len(rates) < load.rounds and time.perf_counter() - began < ENOUGH_SECONDS:
        last = one_round(load, first)
        rates.append(last.likes_per_second)
    if first is None:
        require(last.windows.closed(), load.promised)
    milliseconds = 1000 * np.array(last.seconds)
    rows, times, size = snapshots(last.detector)
    return Measured(
        likes=last.likes,
        likes_per_second=statistics.median(rates),
        rounds=rates,
        closed=last.windows.closed(),
        frames_ms=(float(np.median(milliseconds)), float(np.quantile(milliseconds, 0.99)), float(milliseconds.max())),
        idle_memory=idle,
        peak_memory=peak,
        outputs=dict(last.outputs),
        counters=last.detector.counters(),
        state_rows=rows,
        snapshot_seconds=sum(times),
        slowest_snapshot_seconds=max(times),
        snapshot_bytes=size,
    )


def snapshots(detector: Detector) -> tuple[int, list[float], int]:
    """Rows in the tables of all tasks' states, seconds that each task's snapshot took to be on disk, bytes there."""
    rows, seconds = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for (stage, partition), task in detector.tasks.items():
            store = CheckpointStore(Path(folder), stage)
            began = time.perf_counter()
            arrays = task.snapshot()
            store.save(partition, Checkpoint(0, arrays, {}))
            seconds.append(time.perf_counter() - began)
            rows += sum(len(values) for name, values in arrays.items() if name.endswith(".key"))
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.npz"))
    return rows, seconds, size


def in_its_own_process(name: str, first: int | None = None) -> Measured:
    """Of the first likes only, where a number is given. Raises subprocess.CalledProcessError where it ended badly; what
    it said is on stderr.
    """
    command = [sys.executable, "-m", "tests.bench.detector_run", name]
    command += [] if first is None else ["--first", str(first)]
    said = subprocess.run(command, env={**os.environ, **ONE_CORE}, stdout=subprocess.PIPE, check=True).stdout
    return msgspec.json.decode(said, type=Measured)


def print_profile(load: Load, first: int | None) -> None:
    """Time by function, its own and with what it calls, of one round."""
    warm_up()
    profile = cProfile.Profile()
    found = one_round(load, first, profile)
    print(f"{found.likes:,} likes; the profiler slows them to {found.likes_per_second:,.0f} likes/s")
    statistics_ = pstats.Stats(profile)
    for order in ("tottime", "cumulative"):
        statistics_.sort_stats(order).print_stats(PROFILED)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.detector_run", description=__doc__)
    parser.add_argument("load", choices=LOADS, help="likes a second of event time")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    parser.add_argument("--first", type=int, metavar="N", help="stop after N likes, however few windows closed")
    options = parser.parse_args()
    if options.profile:
        print_profile(LOADS[options.load], options.first)
    else:
        print(msgspec.json.encode(measure(LOADS[options.load], options.first)).decode())


if __name__ == "__main__":
    main()
