"""The detector's rows: each load of `loads` through all stages on one core, with windows closing all along."""

from __future__ import annotations

from typing import Final

from rich.progress import track

from shared.topics import VERDICTS
from tests.bench.crowd import Load
from tests.bench.detector_run import Measured, in_its_own_process
from tests.bench.loads import LOADS
from tests.bench.measuring import Bench, Row
from tests.bench.windows import named, said

TITLE: Final = "Detector"
GOAL: Final = 200_000
SHORT: Final = "7"
SHORT_LIKES: Final = 100_000


def rows(bench: Bench) -> list[Row]:
    found: list[Row] = []
    loads = {SHORT: LOADS[SHORT]} if bench.short else LOADS
    for name, load in track(loads.items(), "detector", console=bench.console):
        found += rows_of(load, in_its_own_process(name, SHORT_LIKES if bench.short else None))
    return found


def rows_of(load: Load, measured: Measured) -> list[Row]:
    m = measured
    middle, p99, most = m.frames_ms
    return [
        (
            f"detector, all stages, at {load.rate:,.0f} likes/s of event time",
            f"{m.likes_per_second:,.0f} likes/s of one core ({rounds(m.rounds)}); {m.likes:,} likes, {spread(load)}",
            f"goal {GOAL:,}",
            f"{m.likes_per_second / GOAL:.2f}",
        ),
        ("- windows that closed, with likes", said(m.closed), f"promised {said(load.promised)}", ""),
        ("- a batch of 16,000 likes", f"median {middle:.0f} ms, p99 {p99:.0f} ms, worst {most:.0f} ms", "", ""),
        (
            "- memory",
            f"{m.peak_memory / 1e6:,.0f} MB at most, {m.idle_memory / 1e6:,.0f} MB of them before the first like; "
            f"{m.state_rows:,} rows of state",
            "",
            "",
        ),
        (
            "- snapshot of all 13 tasks",
            f"{m.snapshot_seconds:.2f} s, the slowest task {m.slowest_snapshot_seconds:.2f} s; "
            f"{m.snapshot_bytes / 1e6:,.0f} MB",
            "",
            "",
        ),
        (
            "- found",
            f"{m.counters['meetings']:,} meetings, {m.outputs.get(VERDICTS, 0):,} verdicts, "
            f"{m.counters['corrected_likes']:,} likes corrected",
            "",
            "",
        ),
    ]


def rounds(rates: list[float]) -> str:
    return "one round" if len(rates) == 1 else f"{min(rates):,.0f} to {max(rates):,.0f} in {len(rates)} rounds"


def spread(load: Load) -> str:
    if not load.paused:
        return f"{load.busy_ms / 3_600_000:.0f} h without a pause"
    return f"in {load.bursts} bursts of {load.burst_ms // 1000} s, one each {named(load.every_ms)}"
