"""The choice service's rows: likes joined with ten shown items each, in one process; and from send to report, at 2,000
likes a second with slates, all services on this machine.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from rich.progress import track

from services.choice.runner import followed
from services.choice.settings import ChoiceSettings
from services.choice.states import States
from services.choice.task import ChoiceTask
from services.choice.warm_up import warm_up
from services.predictor.task import PredictorTask
from shared.as_of_join import AsOfJoin
from shared.events import SURFACES
from shared.frames import Frame, Output, Progress, from_message, to_output
from shared.hashing import hash_strings
from shared.schemas import EXPOSED_ITEMS, TRUSTED_LIKES
from shared.topics import EXPOSURES_BY_ACTOR, FORECASTS
from tests.bench import pipeline
from tests.bench.measuring import ROUNDS, Bench, Row
from tests.likes import START_MS
from truelike.cli.stack import latency_quantile

TITLE: Final = "Choice"
LIKES: Final = 200_000
SHORT_LIKES: Final = 40_000
A_FRAME: Final = 1_000
SHOWN: Final = 10
PEOPLE: Final = 20_000
THINGS: Final = 20_000
# Likes a second with slates, for how long, and how fast event time is: a minute closes windows, and the detector, whose
# work is by event time, is not what is measured.
RATE: Final = 2_000
SECONDS: Final = 60
SPEED: Final = 20


@dataclass(frozen=True)
class Made:
    """Messages of one partition: slates, then the likes that they come before, frame by frame."""

    exposures: list[Output]
    forecasts: list[Output]
    likes: int
    items: int


def rows(bench: Bench) -> list[Row]:
    made = _made(SHORT_LIKES if bench.short else LIKES)
    warm_up()
    found = _rates(made)
    return found if bench.short else [*found, *_to_report(bench)]


def _made(n: int, seed: int = 1) -> Made:
    """Likes at 2,000 a second, two of five of something that was in a slate a little before."""
    rng = np.random.default_rng(seed)
    users = pa.array([f"u{u}" for u in rng.integers(0, PEOPLE, n)])
    things = np.minimum(THINGS * rng.random((n, SHOWN)) ** 3, THINGS - 1).astype(np.int64)
    liked = np.where(rng.random(n) < 0.4, things[:, 0], (THINGS * rng.random(n) ** 3).astype(np.int64))
    times = START_MS + np.arange(n) // 2
    names = np.array([f"t{t}" for t in range(THINGS)], object)
    hashes = hash_strings(pa.array(names, pa.string()))
    predictor, forecasts, exposures = PredictorTask(1), [], []
    for number, start in enumerate(range(0, n, A_FRAME)):
        part = slice(start, start + A_FRAME)
        batch = _trusted(users[part], pa.array(names[liked[part]], pa.string()), times[part], start)
        forecasts += predictor.process(Frame("trusted-likes", batch), number)
        slates = _exposed(
            hash_strings(users[part]), hashes[rng.permuted(things[part], axis=1)], times[part] - 1500, start
        )
        progress = Progress(1, {0: int(times[part][-1]) + 2_000})
        exposures.append(to_output(Frame("exposures", slates, progress=progress), EXPOSURES_BY_ACTOR, 0))
    return Made(exposures, forecasts, n, n * SHOWN)


def _trusted(users: pa.Array, targets: pa.Array, times: np.ndarray, first: int) -> pa.RecordBatch:
    n = len(users)
    columns = {
        "event_id": pa.array([f"e{first + k}" for k in range(n)]),
        "occurred_at": pa.array(times),
        "sent_at": pa.array(times),
        "actor_id": users,
        "target_id": targets,
        "action": pa.array(np.zeros(n, np.int8)),
        "surface": pa.array(np.full(n, SURFACES.index("recommended"), np.int8)),
        "human_probability": pa.array(np.full(n, 0.95, np.float32)),
        "label": pa.array(np.zeros(n, np.int8)),
        "revision": pa.array(np.zeros(n, np.int32)),
    }
    found = [columns[f.name] if f.name in columns else pa.nulls(n, f.type) for f in TRUSTED_LIKES]
    return pa.RecordBatch.from_arrays(found, schema=TRUSTED_LIKES)


def _exposed(users: np.ndarray, targets: np.ndarray, times: np.ndarray, first: int) -> pa.RecordBatch:
    n = len(users)
    columns = {
        "slate": np.repeat(np.arange(first, first + n, dtype=np.uint64) + 1, SHOWN),
        "occurred_at": np.repeat(times, SHOWN),
        "actor": np.repeat(users, SHOWN),
        "target": targets.ravel(),
        "rank": np.tile(np.arange(SHOWN, dtype=np.int32), n),
        "propensity": np.full(n * SHOWN, 0.1),
        "candidates": np.full(n * SHOWN, SHOWN, np.int32),
        "withheld": np.zeros(n * SHOWN, np.bool_),
    }
    rows = n * SHOWN
    found = []
    for field in EXPOSED_ITEMS:
        if field.name in columns:
            found.append(pa.array(columns[field.name], field.type))
        else:
            found.append(pa.array(["policy"] * rows if field.type == pa.string() else np.zeros(rows), field.type))
    return pa.RecordBatch.from_arrays(found, schema=EXPOSED_ITEMS)


def _rates(made: Made) -> list[Row]:
    """From messages to messages: decoded, joined, measured, each frame's reports written as JSON."""
    rates, task, reports = [], None, 0
    for _ in range(ROUNDS):
        settings = ChoiceSettings(partitions=1)
        task = ChoiceTask(0, settings.choice_likes, settings.choice_items)
        join = AsOfJoin(FORECASTS, [followed(settings)], round(settings.exposure_lateness_seconds * 1000))
        reports, began = 0, time.perf_counter()
        for shown, likes in zip(made.exposures, made.forecasts, strict=True):
            for topic, output in ((EXPOSURES_BY_ACTOR, shown), (FORECASTS, likes)):
                for step in join.add(topic, from_message(output.value, output.headers)):
                    task.process(step)
                    reports += len(task.reports(task.effects.users))
        rates.append(task.counters["joined_likes"] / (time.perf_counter() - began))
    assert task is not None
    if task.counters["joined_likes"] != made.likes or not reports:
        raise RuntimeError(f"{task.counters}: not all was joined")
    began = time.perf_counter()
    saved = task.snapshot()
    snapshot = time.perf_counter() - began
    began = time.perf_counter()
    kept = task.kept()
    copied = time.perf_counter() - began
    began = time.perf_counter()
    States.of_log(kept.log(2**64 - 1))
    reckoned = time.perf_counter() - began
    rate, size = float(np.median(rates)), sum(array.nbytes for array in saved.values()) / 1e6
    how = f"{min(rates):,.0f} to {max(rates):,.0f} in {ROUNDS} rounds"
    return [
        (
            f"choice, likes joined with {SHOWN} shown items each, one core",
            f"{rate:,.0f} likes/s ({how}); {made.likes:,} likes, {made.items:,} items, {reports:,} reports",
            "goal 50,000",
            f"{rate / 50_000:.2f}",
        ),
        ("- state of these", f"{size:.0f} MB; {1000 * snapshot:.0f} ms to copy for a snapshot", "", ""),
        (
            "- the platform's figures",
            f"{1000 * copied:.0f} ms to copy, {reckoned:.1f} s to reckon beside the loop",
            "",
            "",
        ),
    ]


def _to_report(bench: Bench) -> list[Row]:
    with pipeline.running(SPEED) as platform:
        stack = platform.stack
        # What is not compiled or loaded until it has settled is no user's.
        pipeline.at_this_hour(platform, RATE, SPEED)
        before, begun = stack.metrics(30), pipeline.event_ms(stack)
        for _ in track(range(SECONDS), f"{RATE:,} likes/s with slates", console=bench.console):
            time.sleep(1)
        after, ended = stack.metrics(30), pipeline.event_ms(stack)
    since = {name: value - before.get(name, 0.0) for name, value in after.items()}
    likes, items = (since[name] / SECONDS for name in ("choice/joined_likes_total", "choice/shown_items_total"))
    quantiles = [latency_quantile(since, "choice", q) for q in (0.5, 0.99, 1.0)]
    if None in quantiles:
        raise RuntimeError("no report was written")
    said = ", ".join(pipeline.seconds_of(value) for value in quantiles)
    windows = ended // pipeline.WINDOW_MS - begun // pipeline.WINDOW_MS
    if not windows:
        raise RuntimeError("no window was closed")
    p99 = quantiles[1] or 0.0
    return [
        (
            "from send to a user's report in Valkey: p50, p99, longest",
            f"{said}; {likes:,.0f} likes/s with {items:,.0f} items/s over {SECONDS} s; "
            f"{windows} windows of 5 min ended",
            "goal p99 2 s",
            f"{2 / p99:.2f}",
        )
    ]
