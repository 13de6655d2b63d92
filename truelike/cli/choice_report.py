"""The report of `truelike choice`: the choice service's own figures over files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from rich.table import Table

from services.choice import figures, log, named_slates
from services.choice.log import F64, LIKE, Log, Shown
from services.choice.person import report as of_person
from services.predictor.model import VERSION
from services.predictor.twin import Acts
from shared import schemas
from shared.contract.slates import to_items
from shared.events import UNLIKE, rfc3339
from shared.hashing import hash_strings, hashes
from shared.labels import HUMAN
from truelike.evaluation import forecasts, stream, twins
from truelike.files import exposures
from truelike.files.reading import Advance
from truelike.files.result import Result
from truelike.files.spool import Spool

# What a figure may be of.
ABOUT: Final = (
    "bits_of",
    "rung",
    "of",
    "surface",
    "policy",
    "by",
    "withheld_by",
    "rank",
    "likes_of",
    "content_origin",
    "language",
)


def measure(
    spool: Spool, path: Path | None, result: Result, slates: Result, bar: Callable[[str], Advance], person: str | None
) -> dict[str, Any]:
    """Of the likes and, where there is a file of them, the slates; what became of the rows goes into the results.
    `person`: whose own report to add.
    """
    batch = stream.read_all(spool, result, bar("sorting"))
    return measure_likes(batch, path, slates, bar, person)


def measure_likes(
    batch: pa.RecordBatch, path: Path | None, slates: Result, bar: Callable[[str], Advance], person: str | None = None
) -> dict[str, Any]:
    """The same of likes that are read already (schema `schemas.LIKES`, in order of time)."""
    rows = exposures.read(path, slates, bar("reading slates")) if path is not None else to_items([])
    shown, policies = log.shown_of(rows)
    languages = log.languages_of(batch)
    others, compared = of_twins(batch, shown)
    classes = {"origin": batch.column("content_origin").to_numpy(), "language": languages[0]}
    named = {"slate": hashes(batch.column("slate_id")).view(np.int64), "topic": hashes(batch.column("topic"))}
    stated = forecasts.of_likes(batch, bar("forecasting"))
    likes = log.likes_of(batch, **{**stated, **classes, **named, **compared})
    came_from, naming = named_slates.of(likes, shown), int((likes.slate != log.NO_SLATE).sum())
    likes = twins.with_slates(replace(likes, slate=came_from.slate), shown)
    buys = log.buys_of(batch)
    times = [int(part.time[-1]) for part in (likes, shown, buys) if len(part)]
    whole = Log(likes, shown, policies, max(times, default=0), None, buys, languages[1], others)
    return {
        "likes": len(likes),
        "buys": len(buys),
        "shown": int((~shown.withheld).sum()),
        "withheld": int(shown.withheld.sum()),
        "slates": len(np.unique(shown.slate)),
        "likes_naming_slates": naming,
        "likes_naming_unknown_slates": naming - int(came_from.known.sum()),
        "attribution_hours": log.ATTRIBUTION_MS / 3_600_000,
        "model": VERSION,
        "figures": [figure.described(whole.window) for figure in figures.measure(whole)],
        **({"person": of_person(whole, int(hash_strings(pa.array([person]))[0]))} if person is not None else {}),
    }


def of_people(
    trusted: pa.RecordBatch, path: Path | None, slates: Result, bar: Callable[[str], Advance]
) -> dict[str, Any] | None:
    """Of those likes of `schemas.TRUSTED_LIKES` (each once, in order of time) that are labelled human, each in full, as
    `GET /v1/choice` has it; None where there are none.
    """
    people = trusted.filter(pa.array(trusted.column("label").to_numpy() == HUMAN)).select(schemas.LIKES.names)
    if not people.num_rows:
        return None
    as_of = rfc3339(int(people.column("occurred_at").to_numpy()[-1]))
    return {"as_of": as_of, **measure_likes(people, path, slates, bar)}


def of_twins(batch: pa.RecordBatch, shown: Shown) -> tuple[int, dict[str, F64]]:
    """How many actions are no likes, and what twin forecasters said of each row, where there is anything but likes to
    learn from.
    """
    action = batch.column("action").to_numpy()
    others = int(((action != LIKE) & (action != UNLIKE)).sum())
    if not others and not len(shown):
        return 0, {}
    actor, target = (hash_strings(batch.column(name)) for name in ("actor_id", "target_id"))
    acts = Acts(actor, target, batch.column("occurred_at").to_numpy(), action)
    p_with, p_without = twins.forecasts(acts, shown)
    return others, {"p_with": p_with, "p_without": p_without}


def table(found: dict[str, Any]) -> Table:
    """The sentences, with what they are of."""
    made = Table("figure", "of", "n", "what it says", title=f"{found['likes']:,} likes, {found['slates']:,} slates")
    for figure in found["figures"]:
        about = [str(figure[name]) for name in ABOUT if name in figure]
        made.add_row(figure["figure"], ", ".join(about), f"{figure['n']:,}", figure["sentence"])
    return made
