"""The report of `truelike choice`: the choice service's own figures over files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.table import Table

from services.choice import figures, log
from services.choice.log import Log
from shared.exposures import to_batch
from truelike.evaluation import stream
from truelike.files import exposures
from truelike.files.reading import Advance
from truelike.files.result import Result
from truelike.files.spool import Spool


def measure(
    spool: Spool, path: Path | None, result: Result, slates: Result, bar: Callable[[str], Advance]
) -> dict[str, Any]:
    """Of the likes and, where there is a file of them, the slates; what became of the rows goes into the results."""
    likes = log.likes_of(stream.read_all(spool, result, bar("sorting")))
    rows = exposures.read(path, slates, bar("reading slates")) if path is not None else to_batch([])
    shown, policies = log.shown_of(rows)
    times = [int(part.time[-1]) for part in (likes, shown) if len(part)]
    whole = Log(likes, shown, policies, max(times, default=0))
    return {
        "likes": len(likes),
        "shown": int((~shown.withheld).sum()),
        "withheld": int(shown.withheld.sum()),
        "slates": int(shown.slate.max(initial=-1)) + 1,
        "attribution_hours": log.ATTRIBUTION_MS / 3_600_000,
        "figures": [figure.described(whole.window) for figure in figures.measure(whole)],
    }


def table(found: dict[str, Any]) -> Table:
    """The sentences, with what they are of."""
    made = Table("figure", "of", "n", "what it says", title=f"{found['likes']:,} likes, {found['slates']:,} slates")
    for figure in found["figures"]:
        about = [str(figure[name]) for name in ("surface", "policy", "withheld_by", "rank") if name in figure]
        made.add_row(figure["figure"], ", ".join(about), f"{figure['n']:,}", figure["sentence"])
    return made
