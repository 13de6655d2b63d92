"""`truelike evaluate predictions FILE`: the prequential table, ours beside others', and what bots do to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.predictor import prequential
from services.predictor.model import CoPreference
from services.predictor.task import PredictorTask
from services.predictor.warm_up import warm_up
from shared.frames import Output, from_message
from shared.topics import TRUSTED_LIKES
from truelike.evaluation import floor_price, rivals
from truelike.evaluation.rivals import LAST_20, MOST_DENSE, MOST_INVERTED, NOT_SCORED, Outcome
from truelike.evaluation.stream import Stream, with_bots
from truelike.files.offline import OfflineIngest

I64 = npt.NDArray[np.int64]
Say = Callable[[str], None]

FRAME: Final = 2048
# Likes judged at once where bots are about: their windows close, and are corrected, between.
JUDGED_AT_ONCE: Final = 256
# River ranks in pure Python: so many likes, evenly spread, are scored.
RIVER_SCORED: Final = 1000
BOT_SHARE: Final = 0.2
CURVE_POINTS: Final = 50


def figures(rank: I64) -> dict[str, float]:
    """HR@10, HR@20 and MRR@20 of the scored likes; rank 0 is no place."""
    scored = rank[rank != NOT_SCORED]
    found = prequential.figures(prequential.sums(scored, np.zeros(len(scored))).sum(axis=0))
    return {"scored": found["predictions"], **{name: found[name] for name in ("hr@10", "hr@20", "mrr@20")}}


def curve(rank: I64) -> list[list[float]]:
    """HR@10 along the stream: [likes so far, HR@10 of the last part] for each of CURVE_POINTS parts."""
    scored = np.flatnonzero(rank != NOT_SCORED)
    hit = (rank[scored] > 0) & (rank[scored] <= 10)
    parts = [p for p in np.array_split(np.arange(len(scored)), CURVE_POINTS) if len(p)]
    return [[int(scored[p[-1]]) + 1, float(hit[p].mean())] for p in parts]


def ours(stream: Stream, trust: npt.NDArray[Any]) -> tuple[Outcome, CoPreference]:
    """Truelike's model on a stream whose likes have this trust, shape (n,)."""
    model, rank = CoPreference(), np.full(len(stream), NOT_SCORED, np.int64)
    users, items = stream.likes.column("actor_id"), stream.likes.column("target_id")
    for first in range(0, len(stream), FRAME):
        part = slice(first, first + FRAME)
        taken = users.slice(first, FRAME), items.slice(first, FRAME), stream.times[part], trust[part]
        scored = model.score_and_learn(*taken)
        rank[first + scored.at] = scored.rank
    return Outcome(rank, sum(a.nbytes for a in model.snapshot().values())), model


def ours_judged(stream: Stream, say: Say) -> I64:
    """Truelike's whole way: the detector weighs and corrects, the predictor learns. Places by like, shape (n,)."""
    ingest, detector, task = OfflineIngest(1), Detector(Judgement(1)), PredictorTask(1)
    columns = {n: stream.likes.column(n).to_pylist() for n in ("event_id", "actor_id", "target_id", "occurred_at")}
    place_of = {event: n for n, event in enumerate(columns["event_id"])}
    rank = np.full(len(stream), NOT_SCORED, np.int64)

    def learn(messages: list[Output]) -> None:
        for message in detector.feed(messages):
            if message.topic == TRUSTED_LIKES:
                likes, scored = task.learn(from_message(message.value, message.headers).batch)
                if scored is not None:
                    events = likes.column("event_id").take(pa.array(scored.at)).to_pylist()
                    rank[[place_of[event] for event in events]] = scored.rank

    for first in range(0, len(stream), JUDGED_AT_ONCE):
        rows = zip(*(column[first : first + JUDGED_AT_ONCE] for column in columns.values()), strict=True)
        events = [dict(zip(columns, row, strict=True)) for row in rows]
        learn(ingest.take([msgspec.json.encode(e) for e in events], [e["actor_id"] for e in events]))
        if first % (32 * JUDGED_AT_ONCE) == 0:
            say(f"bots, judged by the detector: {first:,} of {len(stream):,} likes")
    learn(ingest.end())
    return rank


def methods(stream: Stream, with_river: bool) -> dict[str, Callable[[], Outcome]]:
    """The rivals that this stream allows, by name."""
    found: dict[str, Callable[[], Outcome]] = {
        "popularity, all time": lambda: rivals.popularity(stream),
        "popularity, half-life 7 days": lambda: rivals.popularity(stream, 7.0),
        "ISGD, k=50": lambda: rivals.isgd(stream),
    }
    if stream.item_count <= MOST_DENSE:
        found |= {
            "item-item cosine, whole history": lambda: rivals.item_item(stream),
            "item-item cosine, last 20 likes": lambda: rivals.item_item(stream, LAST_20),
        }
    if stream.item_count <= MOST_INVERTED:
        found |= {
            "EASE, retrained every 5 %": lambda: rivals.ease(stream),
            "EASE, retrained every 5 %, last 20 likes": lambda: rivals.ease(stream, LAST_20),
        }
    if with_river:
        for name in ("BiasedMF", "FunkMF"):
            found[f"River {name}, {RIVER_SCORED} likes scored"] = partial(rivals.river, stream, name, RIVER_SCORED)
    return found


def evaluate(
    stream: Stream,
    with_river: bool,
    bots: bool,
    seed: int,
    say: Say,
    floors: Sequence[float] = (),
    protected: Collection[str] = (),
) -> dict[str, Any]:
    """The report: `methods` (a row each), `curves` (HR@10 along the stream), `reliability`, `bots`, `language_floor`
    (`floors`: shares; `protected`: languages).
    """
    warm_up(twins=False)
    rows, curves = [], {}

    def measure(name: str, run: Callable[[], Outcome]) -> None:
        say(name)
        began = time.perf_counter()
        outcome = run()
        seconds = time.perf_counter() - began
        rows.append(
            {
                "method": name,
                **figures(outcome.rank),
                "seconds": round(seconds, 2),
                "state_mb": round(outcome.state_bytes / 1e6, 2),
            }
        )
        curves[name] = curve(outcome.rank)

    for name, run in methods(stream, with_river).items():
        measure(name, run)
    models = []

    def run_ours() -> Outcome:
        outcome, model = ours(stream, np.ones(len(stream), np.float32))
        models.append(model)
        return outcome

    measure("Truelike", run_ours)
    report = models[0].report()
    priced = floor_price.evaluate(stream, floors, protected, say) if floors else None
    left_out = ["language floors: no like says a language"] if floors and priced is None else []
    return {
        "likes": len(stream),
        "users": stream.user_count,
        "items": stream.item_count,
        "methods": rows,
        "left_out": [
            f"{what}: more than {most:,} items"
            for what, most in (("item-item cosine", MOST_DENSE), ("EASE", MOST_INVERTED))
            if stream.item_count > most
        ]
        + left_out,
        "truelike": report,
        "curves": curves,
        "bots": _with_bots(stream, seed, say) if bots else None,
        "language_floor": priced,
    }


def _with_bots(people: Stream, seed: int, say: Say) -> dict[str, Any]:
    """HR for people's likes with bots never there, with bots and weights, with bots and none.

    A person's like that was given no trust is not scored, and counts as a miss here.
    """
    say(f"bots: {BOT_SHARE:.0%} laid over the stream")
    both, is_bot = with_bots(people, BOT_SHARE, seed)
    never = ours(people, np.ones(len(people), np.float32))[0].rank
    none = ours(both, np.ones(len(both), np.float32))[0].rank
    truth = ours(both, (~is_bot).astype(np.float32))[0].rank
    judged = ours_judged(both, say)
    counts = np.zeros(len(both), np.bool_)
    counts[~is_bot] = never != NOT_SCORED
    missed = counts & (judged == NOT_SCORED)
    judged = np.where(missed, 0, judged)
    clean = figures(never)
    rows = {
        "bots never there": clean,
        "with bots, weights from the detector": figures(judged[counts]),
        "with bots, weights from the truth": figures(truth[counts]),
        "with bots, no weights": figures(none[counts]),
    }
    for row in rows.values():
        row["loss of hr@10"] = 1.0 - row["hr@10"] / clean["hr@10"] if clean["hr@10"] else 0.0
    return {
        "share": BOT_SHARE,
        "seed": seed,
        "bot_likes": int(is_bot.sum()),
        "people_given_no_trust": int(missed.sum()),
        "rows": rows,
    }
