"""Rows of sparse streams: `truelike detect` on the real files of ../shared/data, where windows close between likes."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from pyarrow import csv

from services.detector.settings import Judgement
from tests.bench.detector_run import ONE_CORE
from tests.bench.measuring import ROUNDS, Bench, Row
from tests.bench.windows import SCALES_MS, Windows, require, said
from truelike.cli.stack import PROJECT

TITLE: Final = "Sparse streams"
# Beside the project where it is developed; a plain clone has none of it, and no such rows.
SHARED: Final = PROJECT.parent / "shared" / "data"
GOAL: Final = 50_000
_SAID: Final = re.compile(r"([\d,]+) likes/s; verdicts in")


def rows(bench: Bench) -> list[Row]:
    files = sorted(SHARED.glob("*.csv.gz"))
    if not files:
        bench.console.print(f"no rows of sparse streams: {SHARED.parent.name}/{SHARED.name} is not beside the project")
    return [row_of(file) for file in files]


def row_of(file: Path) -> Row:
    times = times_of(file)
    windows = Windows(Judgement(1).lateness_ms)
    windows.add(times)
    require(windows.closed(), dict.fromkeys(SCALES_MS, 20))
    rate = statistics.median(detect(file) for _ in range(ROUNDS))
    days = (times.max() - times.min()) / 86_400_000
    return (
        f"truelike detect {file.name}",
        f"{rate:,.0f} likes/s; {len(times):,} likes in {days:,.0f} days; closed {said(windows.closed())}",
        f"goal {GOAL:,}",
        f"{rate / GOAL:.2f}",
    )


def times_of(file: Path) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Event times, ms, shape (n,)."""
    column = csv.read_csv(file).column("occurred_at").combine_chunks()
    return np.asarray(column.cast(pa.timestamp("ms", "UTC")).cast(pa.int64()).to_numpy())


def detect(file: Path) -> float:
    """Likes a second as the command says it. Raises CalledProcessError, ValueError where it does not say."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from truelike.cli.app import main; main()", "detect", str(file)]
        environment = {**os.environ, **ONE_CORE, "PYTHONPATH": str(PROJECT)}
        options = ["--out", f"{folder}/verdicts.jsonl", "--campaigns", f"{folder}/campaigns.jsonl"]
        done = subprocess.run(
            [*command, *options], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    found = _SAID.search(done.stdout)
    if found is None:
        raise ValueError(f"no likes/s in what `truelike detect` says:\n{done.stdout}")
    return float(found[1].replace(",", ""))
