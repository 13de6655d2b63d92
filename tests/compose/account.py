"""What became of every like, read from where users read it."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from shared.topics import TRUSTED_LIKES
from tests.compose.stack import ComposeStack
from tests.topics import read_frames
from truelike.cli.stack import Metrics


@dataclass(frozen=True)
class Account:
    """`sent`: likes of ours; `lost`, `doubled`: of them; `all_likes`: the simulator's too; `wrong`: sentences."""

    sent: int
    lost: int
    doubled: int
    all_likes: int
    wrong: list[str]


def settle(sent: set[str], stack: ComposeStack, counted: Metrics) -> Account:
    """Of a stack at rest whose services count `counted`, all of them added up."""
    first_times: Counter[str] = Counter()
    frames, _ = asyncio.run(read_frames(stack.settings, TRUSTED_LIKES))
    for _, frame in frames:
        ids, revisions = (frame.batch.column(name).to_pylist() for name in ("event_id", "revision"))
        first_times.update(i for i, revision in zip(ids, revisions, strict=True) if revision == 0)
    total = len(first_times)
    labels = sum(stack.get("/v1/stats").json()["likes"].values())
    received = counted["ingest/received_total"]
    counts = {
        "likes in Redis, by label": (labels, total),
        "accepted, rejected and duplicates": (
            sum(counted[f"ingest/{name}_total"] for name in ("accepted", "rejected", "duplicates")),
            received,
        ),
        "accepted by ingest": (counted["ingest/accepted_total"], total),
        "judged by detectors": (counted["verdict/judged_likes_total"], total),
        "learnt by predictors": (counted["predictor/predictor_likes_total"], total),
        "joined with what was shown": (counted["choice/joined_likes_total"], total),
        "counted in charts": (counted["charts/charts_likes_total"], total),
        "exported": (counted["exporter/exported_likes_total"], total),
        "too late": (counted["actor/late_likes_total"], 0),
    }
    return Account(
        sent=len(sent),
        lost=len(sent - first_times.keys()),
        doubled=sum(times - 1 for times in first_times.values() if times > 1),
        all_likes=total,
        wrong=[f"{what}: {found:,.0f} instead of {due:,.0f}" for what, (found, due) in counts.items() if found != due],
    )
