"""The predictor's rows of the benchmark, and, run by itself, its row on a large platform.

`python -m tests.bench.predictor` takes about half an hour: 20 million likes of a million users, beside a tenth of it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import psutil
import pyarrow as pa
from numba import njit
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import track

from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.predictor import learning, trending
from services.predictor.model import CoPreference
from services.predictor.publishing import neighbour_commands
from services.predictor.settings import PredictorSettings
from services.predictor.shares import Shares
from services.predictor.task import PredictorTask
from services.predictor.warm_up import warm_up
from services.simulator.events import names_of, targets_of
from services.simulator.settings import WorldSettings
from services.simulator.world import World
from shared import redis_keys
from shared.dependency import Dependency
from shared.frames import Frame, from_message
from shared.topics import TRUSTED_LIKES
from tests.bench.measuring import Bench, Row, rate_of
from truelike.cli.embedded import Redis as EmbeddedRedis
from truelike.files.offline import OfflineIngest

TITLE: Final = "Predictor"

# Likes a frame, and frames published together, as in a service that is busy.
FRAME = 2000
TOGETHER = 16


def rows(bench: Bench) -> list[Row]:
    keys, values = bench.events
    likes = [msgspec.json.decode(v) for v in values]
    users = pa.array([k.decode() for k in keys])
    items = pa.array([e["target_id"] for e in likes])
    times = np.array([e["occurred_at"] for e in likes])
    warm_up()
    learnt = rate_of(lambda: learn_only(users, items, times))
    scored = rate_of(lambda: score_and_learn(users, items, times))
    reference = rate_of(lambda: isgd(users, items))
    return [
        (
            "predictor, learn only, one core",
            f"{learnt:,.0f} likes/s",
            f"ISGD k=50, learn only, NumPy {reference:,.0f}",
            f"{learnt / reference:.2f}",
        ),
        (
            "predictor, score then learn, one core",
            f"{scored:,.0f} likes/s",
            f"ISGD k=50, learn only, NumPy {reference:,.0f}",
            f"{scored / reference:.2f}",
        ),
        *publishing_rows(keys, values),
    ]


@njit
def _learn(users: Any, items: Any, times: Any, histories: Any, lists: Any, rates: Any) -> None:
    for n in range(len(users)):
        trending.advance(rates, times[n])
        learning.learn(users[n], items[n], times[n], 1.0, histories, lists, rates)


def learn_only(users: pa.Array, items: pa.Array, times: np.ndarray[Any, Any]) -> int:
    model = CoPreference()
    u, i = model.users.of(users), model.items.of(items)
    # Room for all of them, without learning yet.
    model.predict(users.slice(0, 1))
    for n in range(0, len(u), FRAME):
        part = slice(n, n + FRAME)
        model.store.reserve(u[part])
        _learn(u[part], i[part], times[part], model.store.histories, model.lists, model.rates)
    return len(u)


def score_and_learn(users: pa.Array, items: pa.Array, times: np.ndarray[Any, Any]) -> int:
    model = CoPreference()
    for n in range(0, len(users), FRAME):
        part = slice(n, n + FRAME)
        model.score_and_learn(users[part], items[part], times[part], np.ones(len(times[part]), np.float32))
    return len(users)


def isgd(users: pa.Array, items: pa.Array) -> int:
    """ISGD (Vinagre, Jorge, Gama 2014), k=50, learning only, NumPy."""
    rng = np.random.default_rng(1)
    u, i = (c.dictionary_encode().indices.to_numpy() for c in (users, items))
    p, q = rng.normal(0, 0.1, (u.max() + 1, 50)), rng.normal(0, 0.1, (i.max() + 1, 50))
    for a, b in zip(u[:100_000].tolist(), i[:100_000].tolist(), strict=True):
        error = 1 - p[a] @ q[b]
        p[a], q[b] = (
            p[a] + 0.05 * (error * q[b] - 0.01 * p[a]),
            q[b] + 0.05 * (error * p[a] - 0.01 * q[b]),
        )
    return min(len(users), 100_000)


def trusted_frames(keys: list[bytes], values: list[bytes]) -> list[Frame]:
    """What the detector makes of these likes."""
    ingest, detector, found = OfflineIngest(4), Detector(Judgement(4)), []
    for n in range(0, len(values), FRAME):
        messages = ingest.take(values[n : n + FRAME], [k.decode() for k in keys[n : n + FRAME]])
        found += [from_message(m.value, m.headers) for m in detector.feed(messages) if m.topic == TRUSTED_LIKES]
    return found


def publishing_rows(keys: list[bytes], values: list[bytes]) -> list[Row]:
    """Learning and writing the top 20 to the embedded Valkey, which has the other core; and what a user takes there."""
    frames = trusted_frames(keys, values)
    with tempfile.TemporaryDirectory() as name:
        server = EmbeddedRedis(Path(name))
        server.start()
        try:
            wall, cpu, memory = asyncio.run(_publish(frames, server.url))
        finally:
            server.stop()
    return [
        (
            "predictor, learn and publish the top 20, one core",
            f"{len(values) / wall:,.0f} likes/s; {1e6 * cpu / len(values):.0f} µs of the core a like",
            "goal 20,000",
            f"{len(values) / wall / 20_000:.2f}",
        ),
        ("predictor, memory in Valkey", f"{memory[0]:,.0f} bytes a user, {memory[1]:,.0f} an item", "", ""),
    ]


async def _publish(frames: list[Frame], url: str) -> tuple[float, float, tuple[float, float]]:
    redis: Any = Redis.from_url(url)
    settings = PredictorSettings.model_validate({"redis_url": url})
    shares = Shares(settings, redis, 86_400, Dependency("redis", RedisError).when_available)
    shares.held = set(range(settings.partitions))
    task = PredictorTask(settings.partitions)
    began, cpu = time.perf_counter(), time.process_time()
    for offset, frame in enumerate(frames):
        task.process(frame, offset)
        await asyncio.sleep(0)
        if offset % TOGETHER == TOGETHER - 1 or offset == len(frames) - 1:
            await shares.write(task, offset)
    await shares.settle()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    for command in neighbour_commands(task.take_stale_neighbours(2000), 86_400):
        await redis.execute_command(*command)
    per_user = await _bytes(redis, redis_keys.predictions("*"))
    per_item = await _bytes(redis, redis_keys.neighbours("*"))
    await redis.aclose()
    return wall, cpu, (per_user, per_item)


async def _bytes(redis: Any, pattern: str, sample: int = 1000) -> float:
    """Mean memory of the keys of a pattern, of a sample."""
    keys = [key async for key in redis.scan_iter(pattern, count=1000)][:sample]
    return float(np.mean([await redis.memory_usage(key, samples=0) for key in keys]))


def large(people: int, items: int, likes: int, console: Console) -> tuple[float, float, float]:
    """Learn so many likes of a simulated platform. Returns seconds a like in the last tenth, and resident memory of
    the process, MB, before and after.
    """
    world, model = World(WorldSettings(people=people, items=items), 1_767_225_600_000), CoPreference()
    warm_up()
    before = psutil.Process().memory_info().rss / 1e6
    step, spent = 20_000, []
    for _ in track(range(likes // step), f"{likes:,} likes of {people:,} people", console=console):
        made = world.take(step)
        users, targets = pa.array(names_of(made.actors)), pa.array(targets_of(made.targets))
        began = time.perf_counter()
        model.score_and_learn(users, targets, made.times_ms, np.ones(len(users), np.float32))
        spent.append((time.perf_counter() - began) / len(users))
    return float(np.mean(spent[-len(spent) // 10 :])), before, psutil.Process().memory_info().rss / 1e6


def main() -> None:
    console = Console(stderr=True)
    if len(sys.argv) == 4:
        people, items, likes = map(int, sys.argv[1:])
        print(*large(people, items, likes, console))
        return
    costs = {}
    for size in ((100_000, 20_000, 2_000_000), (1_000_000, 200_000, 20_000_000)):
        # A process each, so that memory is of that size alone.
        command = [sys.executable, "-m", "tests.bench.predictor", *map(str, size)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        costs[size[0]], before, after = map(float, done.stdout.split())
        print(
            f"{size[0]:,} users, {size[1]:,} items, {size[2]:,} likes: "
            f"{1e6 * costs[size[0]]:.1f} µs a like at the end, {after:,.0f} MB resident, of which {before:,.0f} before"
        )
    print(f"cost a like, ten times the size: {costs[1_000_000] / costs[100_000]:.2f}")


if __name__ == "__main__":
    main()
