"""What floors for languages (docs/loop.md) and de-loop weights (docs/feed.md) cost in made worlds, over seeds:
`python -m tests.bench.prices --seeds 5`.

De-loop weights: the simulator's likes, bots' and agents' among them, as the detector trusts them in the end. Floors,
in two worlds without bots: the simulator's, where a thing has no language but its latest liker's, and people like what
is of their taste, whatever they speak; and that of `truelike evaluate loop`, where people like what is in their own
language four times in five, and nothing else ties what they like together.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.predictor.warm_up import warm_up
from services.simulator.events import events
from services.simulator.settings import AGENT_SHARE, Planted, WorldSettings
from services.simulator.stream import Stream as Simulated
from services.simulator.world import World
from shared import frames, schemas
from shared.events import UNLIKE
from shared.frames import Output, from_message
from shared.topics import FRAMES_BY_ACTOR, TRUSTED_LIKES
from truelike.evaluation import floor_price, loop_price, loop_world
from truelike.evaluation.stream import Stream, of_likes
from truelike.files.offline import OfflineIngest
from truelike.report.from_files import latest

BEGIN_MS: Final = 1_700_000_000_000
LIKES: Final = 60_000
SETTINGS: Final = WorldSettings(people=2_000, items=3_000, bot_share=0.0, agent_share=0.0)
AT_ONCE: Final = 2_000
SHARES: Final = (0.2, 0.3, 0.4, 0.5)
BOUNDS: Final = (0.1, 0.2, 0.25, 0.28)
OF_LOOP: Final = (
    "hr@10",
    "lost hr@10",
    "lost by chance",
    "hr@10 of recommended AI",
    "hr@10 of the rest",
    "share of AI",
    "weight left",
)
FIRST_SEED: Final = 101
FIGURES: Final = ("hr@10", "lost_hr@10", "hr@20", "mrr@20", "coverage", "shown_protected")


def simulated(settings: WorldSettings, likes: int) -> Iterator[list[dict[str, Any]]]:
    """Events of likes of the simulator's world, with slates that cause them."""
    world = World(settings, BEGIN_MS)
    stream, sent = Simulated(world, Planted()), 0
    while sent < likes:
        taken = stream.take(min(AT_ONCE, likes - sent), np.iinfo(np.int64).max).likes
        yield events(world, taken, sent)
        sent += len(taken)


def framed(settings: WorldSettings) -> Iterator[list[Output]]:
    """The same as frames by actor; the last close every window."""
    ingest = OfflineIngest(1)
    for said in simulated(settings, LIKES):
        yield ingest.take([msgspec.json.encode(one) for one in said], [one["actor_id"] for one in said])
    yield ingest.end()


def of_simulator(seed: int) -> Stream:
    outputs = chain.from_iterable(framed(replace(SETTINGS, seed=seed)))
    found = [from_message(o.value, o.headers).batch for o in outputs if o.topic == FRAMES_BY_ACTOR]
    return of_likes(frames.join(found, schemas.LIKES))


def judged(seed: int) -> pa.RecordBatch:
    """Likes of the simulator's world with bots, as the detector trusts them in the end."""
    detector, found = Detector(Judgement(1)), []
    for outputs in framed(replace(SETTINGS, seed=seed, bot_share=0.1, agent_share=AGENT_SHARE)):
        told = detector.feed(outputs)
        found += [from_message(o.value, o.headers).batch for o in told if o.topic == TRUSTED_LIKES]
    return latest(frames.join(found, schemas.TRUSTED_LIKES))


def of_loop_world(seed: int) -> Stream:
    """Likes of people only, as they were first said."""
    world = loop_world.LoopWorld(actors=2_000, likes=40.0, corrected=0.0, unliked=0.0)
    likes = frames.join(loop_world.make(world, seed), schemas.TRUSTED_LIKES)
    people = (likes.column("label").to_numpy() <= 1) & (likes.column("action").to_numpy() != UNLIKE)
    return of_likes(likes.filter(pa.array(people)).select(schemas.LIKES.names))


# With the languages that are named as protected.
WORLDS: Final[tuple[tuple[str, Callable[[int], Stream], tuple[str, ...]], ...]] = (
    ("simulator, languages of likers, all but the greatest", of_simulator, ()),
    ("simulator, languages of likers, ja (7 % of people)", of_simulator, ("ja",)),
    ("people like their own language, all but the greatest", of_loop_world, ()),
    ("people like their own language, cy (8 % of people)", of_loop_world, ("cy",)),
)


def mean(values: list[float]) -> str:
    """With the standard error over seeds."""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{np.mean(values):.4f} ± {error:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(FIRST_SEED, FIRST_SEED + parser.parse_args().seeds)
    warm_up()
    console = Console(width=160)
    _loop(console, seeds)
    for name, make, languages in WORLDS:
        made = (floor_price.evaluate(make(seed), SHARES, languages, lambda what: None) for seed in seeds)
        reports = [report for report in made if report is not None]
        table = Table("share", *FIGURES, title=f"{name}; {len(seeds)} seeds, mean and standard error")
        by_kind = Table("share", "hr@10 of protected", "of others", "coverage of protected", "of others")
        for number, share in enumerate((0.0, *SHARES)):
            rows = [report["rows"][number] for report in reports]
            table.add_row(f"{share:g}", *(mean([row[figure] for row in rows]) for figure in FIGURES))
            kinds = [_by_kind(report["rows"][number]["by_language"], report["protected"]) for report in reports]
            by_kind.add_row(f"{share:g}", *(mean(list(values)) for values in zip(*kinds, strict=True)))
        console.print(table, by_kind)


def _loop(console: Console, seeds: range) -> None:
    prices = [loop_price.evaluate(judged(seed), BOUNDS, lambda what: None) for seed in seeds]
    table = Table("bound", *OF_LOOP, title=f"de-loop weights; {len(seeds)} seeds, mean and standard error")
    for number, bound in enumerate((None, *BOUNDS)):
        rows = [price["rows"][number] for price in prices]
        table.add_row(str(bound), *(mean([row[figure] for row in rows]) for figure in OF_LOOP))
    console.print(table)


def _by_kind(languages: dict[str, dict[str, float]], protected: list[str]) -> tuple[float, float, float, float]:
    """HR@10 of protected languages and of others, then coverage."""
    found = []
    for figure, of in (("hr@10", "likes"), ("coverage", "items")):
        for kind in (True, False):
            rows = [row for name, row in languages.items() if (name in protected) == kind]
            found.append(sum(row[figure] * row[of] for row in rows) / max(sum(row[of] for row in rows), 1))
    return found[0], found[1], found[2], found[3]


if __name__ == "__main__":
    main()
