"""`truelike evaluate choice`: how often the intervals of docs/choice.md hold what was planted, looked at all along, and
whether a figure whose condition fails says so; and whether forecasts are reliable.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from truelike.evaluation import (
    bits_coverage,
    buyer_coverage,
    choice_refusals,
    looks,
    reliability_logs,
    slates_coverage,
    value_coverage,
)
from truelike.evaluation.choice_refusals import REFUSALS
from truelike.evaluation.looks import Looked

Coverage = Callable[[int], Iterable[Looked]]
WORKERS: Final = 2
# Of worlds that are large, and of those that lack something, so many seeds at most.
LARGE_SEEDS: Final = 20
# Of simulated platforms for reliability.
PLATFORMS: Final = 2


@dataclass(frozen=True)
class Task:
    """What one worker does at a time: `run` of `given`, for `part` of the report."""

    part: str
    run: Callable[..., Any]
    given: tuple[Any, ...]

    def __call__(self) -> Any:
        return self.run(*self.given)


def evaluate(
    seeds: int,
    first_seed: int,
    advance: Callable[[int, int], None],
    workers: int = WORKERS,
    movielens: Path | None = None,
    named: float = 0.0,
) -> dict[str, Any]:
    """The report: `figures` (a row each), `refusals`, `large` (how wide the interval of the caused share is there),
    `reliability` (of simulated platforms, and of MovieLens where there is a file). `named`: of likes that slates
    brought, the share that name theirs, in the worlds of figures 4 and 5. The same for however many workers.
    """
    tasks = _tasks(seeds, first_seed, movielens, coverage(named))
    done: dict[str, list[Any]] = defaultdict(list)
    for number, (task, found) in enumerate(zip(tasks, _found(tasks, workers), strict=True), 1):
        done[task.part].append(found)
        advance(number, len(tasks))
    rows: dict[str, list[looks.Row]] = defaultdict(list)
    for name, row in (looked for part in ("worlds", "value") for world in done[part] for looked in world):
        rows[name].append(row)
    return {
        "seeds": seeds,
        "first_seed": first_seed,
        "named": named,
        "looks": list(looks.LOOKS),
        # A world of the value of likes has several rows.
        "figures": [looks.summary(name, found[:seeds]) for name, found in rows.items()],
        "large": looks.summary(
            "caused_share, 100,000 slates, 1 % withheld", [row for found in done["large"] for row in found]
        ),
        "refusals": choice_refusals.rows({log: done[log] for log in REFUSALS}),
        "reliability": [row for found in done["reliability"] for row in found],
    }


def coverage(named: float) -> tuple[Coverage, ...]:
    """What each seed makes worlds of."""
    of_slates = partial(slates_coverage.of_slates, named=named)
    return bits_coverage.of_seed, of_slates, slates_coverage.of_drift, buyer_coverage.of_seed


def _tasks(seeds: int, first_seed: int, movielens: Path | None, covered: tuple[Coverage, ...]) -> list[Task]:
    worlds, of_value, few = (
        range(first_seed, first_seed + count)
        for count in (seeds, -(-seeds // value_coverage.PARTS), min(LARGE_SEEDS, seeds))
    )
    platforms = range(first_seed, first_seed + min(PLATFORMS, seeds))
    # The longest first.
    return [
        *([Task("reliability", reliability_logs.of_movielens, (movielens,))] if movielens is not None else []),
        *(Task("reliability", reliability_logs.of_simulator, (seed,)) for seed in platforms),
        *(Task("worlds", of_worlds, (covered, seed)) for seed in worlds),
        *(Task("value", of_worlds, ((value_coverage.of_seed,), seed)) for seed in of_value),
        *(Task("large", slates_coverage.of_large, (seed,)) for seed in few),
        *(Task(log, choice_refusals.of_seed, (log, seed)) for log in REFUSALS for seed in few),
    ]


def of_worlds(covered: Iterable[Coverage], seed: int) -> list[Looked]:
    return [looked for of_seed in covered for looked in of_seed(seed)]


def _found(tasks: list[Task], workers: int) -> Iterator[Any]:
    """What each task found, in their order."""
    if workers == 1:
        yield from (task() for task in tasks)
        return
    # Not forked: threads of compiled code do not survive that.
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(Task.__call__, tasks)
