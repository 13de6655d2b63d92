"""`truelike evaluate choice`: how often the intervals of docs/choice.md hold what was planted, looked at all along, and
whether a figure whose condition fails says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from services.choice.figures import caused_share, induced_drift, slot_effect
from services.choice.log import Log, Shown
from shared.exposures import NO_ARM
from shared.measures.figure import Figure
from truelike.evaluation import drift_world, value_coverage
from truelike.evaluation.choice_world import BEGIN_MS, DAY_MS, Made, World, make
from truelike.evaluation.drift_world import DriftWorld

Measure = Callable[[Log], Iterator[Figure]]
Looked = tuple[str, dict[str, Any]]

MEASURES: Final[dict[str, Measure]] = {
    figure.NAME: figure.measure for figure in (caused_share, slot_effect, induced_drift)
}
# Looks, in shares of the stream: an interval must hold the truth at all of them.
LOOKS: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
# A log that lacks what a figure needs, and the figures that must then say `not identified`.
REFUSALS: Final[dict[str, tuple[World, str]]] = {
    "nothing was withheld": (World(withheld=0.0, in_arms=0.0), caused_share.NAME),
    "nobody was held out": (World(in_arms=0.0), induced_drift.NAME),
    "withheld by rank, not by chance": (World(withheld_by_rank=True, in_arms=0.0), caused_share.NAME),
    "propensities were not logged": (World(propensities=False), slot_effect.NAME),
    "propensities are not the policy's": (World(propensities_true=False), slot_effect.NAME),
}
# 100,000 slates, 1 % of the items withheld.
LARGE: Final = World(people=5_000, slates=20, withheld=0.01, in_arms=0.0, appeal=0.4)
LARGE_SEEDS: Final = 20


def evaluate(seeds: int, first_seed: int, advance: Callable[[int, int], None]) -> dict[str, Any]:
    """The report: `figures` (a row each), `refusals`, `large` (how wide the interval of the caused share is there)."""
    large = min(LARGE_SEEDS, seeds)
    done, steps = 0, seeds - (-seeds // value_coverage.PARTS) + (len(REFUSALS) + 1) * large + large

    def step() -> None:
        nonlocal done
        done += 1
        advance(done, steps)

    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for seed in range(first_seed, first_seed + seeds):
        for name, row in (*_of_slates(World(), seed, LOOKS), *_of_drift(DriftWorld(), seed)):
            rows[name].append(row)
        step()
    rows |= value_coverage.rows(seeds, first_seed, LOOKS, step)
    wide = []
    for seed in range(first_seed, first_seed + large):
        wide += [row for name, row in _of_slates(LARGE, seed, (1.0,)) if name == "caused_share, withheld by item"]
        step()
    refusals = [_refused(why, *asked, first_seed, large, step) for why, asked in REFUSALS.items()]
    refusals.append(value_coverage.refused(first_seed, large, step))
    return {
        "seeds": seeds,
        "first_seed": first_seed,
        "looks": list(LOOKS),
        "figures": [_summary(name, found) for name, found in rows.items()],
        "large": _summary("caused_share, 100,000 slates, 1 % withheld", wide),
        "refusals": refusals,
    }


def _of_slates(world: World, seed: int, looks: tuple[float, ...]) -> Iterator[Looked]:
    made = make(world, seed)
    # A day more, so that the last look has all outcomes.
    logs = [made.log.until(_moment(look, world.days) + (DAY_MS if look == 1.0 else 0)) for look in looks]
    figures = (caused_share.measure, slot_effect.measure)
    return _looked_at(logs, figures, lambda figure, log: _truth(figure, made, log, world))


def _of_drift(world: DriftWorld, seed: int) -> Iterator[Looked]:
    log = drift_world.make(world, seed)
    logs = [log.until(_moment(look, world.days)) for look in LOOKS]
    return _looked_at(logs, (induced_drift.measure,), lambda figure, log: world.truth(figure.about["by"]))


def _moment(look: float, days: int) -> int:
    return BEGIN_MS + round(look * days * DAY_MS)


def _looked_at(
    logs: Sequence[Log], measures: Sequence[Measure], truth: Callable[[Figure, Log], float]
) -> Iterator[Looked]:
    """Of each figure: whether it was identified and held its truth at every look, and what it said at the last."""
    seen: dict[str, list[tuple[Figure, float]]] = defaultdict(list)
    for log in logs:
        for figure in (figure for measure in measures for figure in measure(log)):
            seen[_name(figure)].append((figure, truth(figure, log)))
    for name, found in seen.items():
        said = [(f.low, t, f.high) for f, t in found if f.low is not None and f.high is not None]
        last, last_truth = found[-1]
        yield (
            name,
            {
                "identified": last.identified,
                "looks": len(said),
                "held": all(low <= t <= high for low, t, high in said),
                "value": last.value,
                "low": last.low,
                "high": last.high,
                "truth": last_truth,
            },
        )


def _name(figure: Figure) -> str:
    about = {"withheld_by": "withheld by {}", "rank": "rank {}", "by": "by {}"}
    return ", ".join(
        [figure.name, *(text.format(figure.about[key]) for key, text in about.items() if key in figure.about)]
    )


def _truth(figure: Figure, made: Made, log: Log, world: World) -> float:
    if figure.name == slot_effect.NAME:
        theta = world.theta()
        return float(theta[figure.about["rank"]] / theta[0])
    mine = _matured(made, log) & ((made.log.shown.arm != NO_ARM) == (figure.about["withheld_by"] == "user"))
    return float(1 - made.if_withheld[mine].mean() / made.if_shown[mine].mean()) if mine.any() else float("nan")


def _matured(made: Made, log: Log) -> Any:
    shown: Shown = log.matured
    latest = shown.time[-1] if len(shown) else -1
    return made.log.shown.time <= latest


def _summary(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    said = [row for row in rows if row["looks"]]
    last = [row for row in rows if row["identified"]]
    median = float(np.median([row["high"] - row["low"] for row in last])) if last else None
    return {
        "figure": name,
        "seeds": len(rows),
        "identified": len(last),
        "coverage": sum(row["held"] for row in said) / len(said) if said else None,
        "median_width": median,
        "mean_value": float(np.mean([row["value"] for row in last])) if last else None,
        "mean_truth": float(np.mean([row["truth"] for row in last])) if last else None,
        "intervals": [[row["low"], row["high"], row["truth"]] for row in last[:100]],
    }


def _refused(
    why: str, world: World, name: str, first_seed: int, seeds: int, step: Callable[[], None]
) -> dict[str, Any]:
    """How often the figure said that it is not identified, in a log that lacks what it needs."""
    measure = MEASURES[name]
    refused, reason = 0, ""
    for seed in range(first_seed, first_seed + seeds):
        found = list(measure(make(replace(world, people=1500), seed).log))
        refused += not any(figure.identified for figure in found)
        reason = found[0].sentence
        step()
    return {"log": why, "figure": name, "seeds": seeds, "not_identified": refused, "says": reason}
