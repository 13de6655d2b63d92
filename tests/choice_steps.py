"""Steps of the choice stage for tests, seeded: likes as the predictor forecast them, and slates."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa

from services.predictor.task import PredictorTask
from shared import forgetting
from shared.as_of_join import JOINED_AT, Step
from shared.contract.slates import Slate, of_event, to_items
from shared.forgetting import Request
from shared.frames import Frame, from_message
from shared.schemas import TRUSTED_LIKES
from tests.likes import START_MS

Row = dict[str, Any]


def slates(n: int, seed: int = 3, seconds: int = 400) -> list[Slate]:
    rng = np.random.default_rng(seed)
    return [
        of_event(
            {
                "slate_id": f"s{k}",
                "occurred_at": int(START_MS + rng.integers(0, seconds * 1000)),
                "actor_id": f"u{rng.integers(9)}",
                "policy_id": f"p{k % 2}",
                "candidates": 30,
                "items": [{"target_id": f"i{i}", "rank": r} for r, i in enumerate(rng.permutation(30)[:4])],
                "withheld": [{"target_id": f"i{rng.integers(30)}", "rank": 9}] if k % 3 == 0 else [],
            }
        )
        for k in range(n)
    ]


def naming(rows: list[Row], shown: list[Slate], seed: int = 7) -> list[Row]:
    """The rows, of which those that a slate held or withheld for their actor mostly name one that did, at any time."""
    rng, held = np.random.default_rng(seed), defaultdict[tuple[Any, Any], list[str]](list)
    for slate in shown:
        for item in (*slate.items, *slate.withheld):
            held[slate.actor_id, item.target_id].append(str(slate.slate_id))
    mine = [held.get((row["actor_id"], row["target_id"]), [row.get("slate_id")]) for row in rows]
    return [
        {**row, "slate_id": of[rng.integers(len(of))]} if rng.random() < 0.8 else row
        for row, of in zip(rows, mine, strict=True)
    ]


def items_of(shown: list[Slate]) -> pa.RecordBatch:
    items = to_items(sorted(shown, key=lambda slate: slate.occurred_at))
    return pa.RecordBatch.from_arrays(
        [*items.columns, items.column("occurred_at")], schema=items.schema.append(pa.field(JOINED_AT, pa.int64()))
    )


def steps(blocks: list[list[Row] | list[str]], shown: list[Slate]) -> list[Step]:
    """Blocks of trusted likes, or of users to forget, as one partition's steps, with the slates of up to each."""
    predictor, clock, left, found = PredictorTask(1), 0, items_of(shown), []
    for offset, block in enumerate(blocks):
        if isinstance(block[0], str):
            message = forgetting.to_message(Request("r", list(block), START_MS))  # type: ignore[arg-type]
            frame = from_message(message.value, message.headers)
        else:
            frame = Frame("trusted", pa.RecordBatch.from_pylist(block, TRUSTED_LIKES))
        for output in predictor.process(frame, offset):
            forecast = from_message(output.value, output.headers)
            assert forecast.lineage is not None
            clock = max(clock, forecast.lineage.watermark)
            due = left.column(JOINED_AT).to_numpy() <= clock
            found.append(Step(offset, clock, forecast, {"exposures": left.filter(pa.array(due))}))
            left = left.filter(pa.array(~due))
    return found
