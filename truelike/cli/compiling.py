"""`truelike compile`: what services need compiled, before they need it."""

from __future__ import annotations

import importlib
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from truelike.cli.output import err, out

# Modules whose `warm_up` compiles what a service runs; what takes longest first.
WARM_UPS: Final = (
    "services.predictor.warm_up",
    "services.charts.warm_up",
    "services.detector.warm_up",
    "services.choice.warm_up",
    "services.ingest.runner",
)


def compile_all(
    workers: Annotated[int, typer.Option(min=1, help="Processes")] = 2,
) -> None:
    """Compile what services need, so that their next start takes seconds. Numba keeps it beside the code, or in
    NUMBA_CACHE_DIR. Without this the first start does it.

    Example: `truelike compile --workers 4`
    """
    began = time.monotonic()
    columns = (TextColumn("compiling"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, console=err, transient=True) as progress,
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool,
    ):
        task = progress.add_task("compiling", total=len(WARM_UPS))
        for done in as_completed([pool.submit(warm_up, module) for module in WARM_UPS]):
            done.result()
            progress.advance(task)
    out.print(f"compiled in {time.monotonic() - began:.0f} s", highlight=False)


def warm_up(module: str) -> None:
    importlib.import_module(module).warm_up()
