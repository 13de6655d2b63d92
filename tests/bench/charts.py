"""Charts: likes counted by hour, day and week, in all and by language and topic, on one core; what they take up."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
import pyarrow as pa

from services.charts.limits import ChartLimits
from services.charts.task import ChartsTask
from services.charts.warm_up import warm_up
from shared.frames import Frame, Output, from_message, to_output
from shared.schemas import TRUSTED_LIKES
from shared.topics import TRUSTED_LIKES as TOPIC
from tests.bench.measuring import ROUNDS, Bench, Row
from tests.likes import START_MS

TITLE: Final = "Charts"
LIKES: Final = 1_000_000
SHORT_LIKES: Final = 100_000
A_FRAME: Final = 3_000
PEOPLE: Final = 300_000
TARGETS: Final = 200_000
CREATORS: Final = 20_000
LANGUAGES: Final = 20
TOPICS: Final = 30
HOURS: Final = 3
GOAL: Final = 200_000


def rows(bench: Bench) -> list[Row]:
    made = _made(SHORT_LIKES if bench.short else LIKES)
    warm_up()
    rates, task = [], ChartsTask(0, ChartLimits())
    for _ in range(ROUNDS):
        task = ChartsTask(0, ChartLimits())
        # Of this process: others on the machine take nothing of it.
        began = time.process_time()
        for number, message in enumerate(made):
            task.process(from_message(message.value, message.headers), number)
        rates.append(task.counters["charted_likes"] / (time.process_time() - began))
    if task.counters["charted_likes"] != (SHORT_LIKES if bench.short else LIKES):
        raise RuntimeError(f"{task.counters}: not all was counted")
    return [_rate(rates), *_state(task)]


def _rate(rates: list[float]) -> Row:
    rate = float(np.median(rates))
    how = f"{min(rates):,.0f} to {max(rates):,.0f} in {ROUNDS} rounds"
    charts = "3 periods, targets and creators, all, language, topic"
    what = f"charts and the loop, each like in 18 charts ({charts}), one core's time"
    return what, f"{rate:,.0f} likes/s ({how})", f"goal {GOAL:,}", f"{rate / GOAL:.2f}"


def _state(task: ChartsTask) -> list[Row]:
    began = time.perf_counter()
    saved = task.snapshot()
    copied = time.perf_counter() - began
    size = sum(array.nbytes for array in saved.values()) / 1e6
    indexes = (task.counts.tables.cell_index, task.counts.tables.by_event, task.counts.tables.by_pair)
    room = sum(index.nbytes for index in indexes) / 1e6
    keys = task.changed()
    largest = max(keys, key=lambda key: len(task.counts.counted(key).entry))  # type: ignore[union-attr]
    began = time.perf_counter()
    chart = task.chart(largest)
    said = time.perf_counter() - began
    assert chart is not None
    held = task.counts.held_entries
    return [
        (
            "- state of these",
            f"{size:.0f} MB and {room:.0f} MB of indexes; {held:,} entries of {len(keys):,} charts, "
            f"{len(saved['likes']):,} likes that may be taken back; {1000 * copied:.0f} ms to copy for a snapshot",
            "",
            "",
        ),
        ("- to say a chart", f"{1000 * said:.0f} ms, of {chart.entries_in_all:,} entries", "", ""),
    ]


def _made(n: int, seed: int = 1) -> list[Output]:
    """Messages of likes by Zipf's law, in order of time."""
    rng = np.random.default_rng(seed)
    chance = np.cumsum(1 / np.arange(1, TARGETS + 1))
    liked = np.searchsorted(chance / chance[-1], rng.random(n))
    names = [_names("track-{:06}", TARGETS), _names("artist-{:05}", CREATORS)]
    names += [_names("l{}-XX", LANGUAGES, "abcdefghijklmnopqrst"), _names("genre {}", TOPICS)]
    of = [np.arange(TARGETS), *(rng.integers(0, len(each), TARGETS) for each in names[1:])]
    times = START_MS + np.sort(rng.integers(0, HOURS * 3_600_000, n))
    people = rng.integers(0, PEOPLE, n)
    found = []
    for first in range(0, n, A_FRAME):
        part = slice(first, min(first + A_FRAME, n))
        target, creator, language, topic = (
            pa.array(each[which[liked[part]]], pa.string()) for each, which in zip(names, of, strict=True)
        )
        columns = {
            "event_id": [f"event-{k}" for k in range(part.start, part.stop)],
            "occurred_at": times[part],
            "actor_id": [f"user-{u}" for u in people[part]],
            "target_id": target,
            "creator_id": creator,
            "content_language": language,
            "topic": topic,
            "action": np.zeros(len(target), np.int8),
            "content_origin": (liked[part] % 4).astype(np.int8),
            "surface": (liked[part] % 6).astype(np.int8),
            "human_probability": np.full(len(target), 0.95, np.float32),
            "label": np.zeros(len(target), np.int8),
        }
        arrays = [
            pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(len(target), field.type)
            for field in TRUSTED_LIKES
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=TRUSTED_LIKES)
        found.append(to_output(Frame("trusted-likes", batch), TOPIC, 0))
    return found


def _names(pattern: str, count: int, of: str | None = None) -> np.ndarray:
    return np.array([pattern.format(of[k] if of else k) for k in range(count)], object)
