"""Compiles what likes go through, before the first one comes."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from services.choice.states import States
from services.choice.task import ChoiceTask
from shared import frames
from shared.as_of_join import JOINED_AT, Step
from shared.contract.slates import of_event, to_items
from shared.contract.times import EARLIEST_MS
from shared.events import ACTIONS
from shared.frames import Frame
from shared.schemas import EXPOSED_ITEMS, FORECASTS, FORGET, FORGET_REQUESTS

MINUTE_MS: Final = 60_000


def warm_up() -> None:
    """A slate, likes of it, a buy, a correction, an unlike and a request to forget; the state is thrown away."""
    slate = of_event(
        {
            "slate_id": "s",
            "occurred_at": EARLIEST_MS,
            "actor_id": "u",
            "items": [{"target_id": "a", "rank": 0}],
            "withheld": [{"target_id": "b", "rank": 1}],
        }
    )
    items = to_items([slate])
    joining = EXPOSED_ITEMS.append(pa.field(JOINED_AT, pa.int64()))
    shown = pa.RecordBatch.from_arrays([*items.columns, items.column("occurred_at")], schema=joining)
    named = int(items.column("slate")[0].as_py())
    likes = [_like("a", 0), _like("b", 1), _like("a", 2, slate=named), _like("a", 3, action=ACTIONS.index("buy"))]
    again = [_like("a", 0, correction=True), _like("b", 3, action=ACTIONS.index("unlike"))]
    request = {"user_id": "u", "request_id": "r", "requested_at": EARLIEST_MS}
    task = ChoiceTask(0, 1000, 1000)
    for number, (kind, rows, schema) in enumerate(
        (("forecasts", likes, FORECASTS), ("forecasts", again, FORECASTS), (FORGET, [request], FORGET_REQUESTS))
    ):
        # As they come out of a message: arrays that cannot be written to are another type.
        batch = frames.decode(frames.encode(pa.RecordBatch.from_pylist(rows, schema)))
        seen = frames.decode(frames.encode(shown if number == 0 else shown.slice(0, 0)))
        task.process(Step(number, EARLIEST_MS + 9 * MINUTE_MS, Frame(kind, batch), {"exposures": seen}))
        task.reports(["u"])
        States.of_log(task.kept().log(2**64 - 1))
    task.restore(task.snapshot())


def _like(target: str, minute: int, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"{target}{minute}",
        "occurred_at": EARLIEST_MS + minute * MINUTE_MS,
        "actor_id": "u",
        "target_id": target,
        "action": ACTIONS.index("like"),
        "surface": 0,
        "sent_at": EARLIEST_MS,
        "weight": 1.0,
        "correction": False,
        "p_popular": 0.1,
        "p_history": 0.1,
        "place": 1,
        "model": "",
        "slate": 0,
        "topic": 0,
        **more,
    }
