"""Rows of trusted-likes.v1 for tests."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from shared import schemas
from shared.events import ACTIONS, CONTENT_ORIGINS, SURFACES
from shared.labels import LABELS

BEGIN_MS = 1_767_225_600_000
DAY_MS = 86_400_000


def row(event: int, actor: int, target: int, **said: Any) -> dict[str, Any]:
    """`said`: columns by their names; enumerated ones by what they say. A correction has `previous_label`."""
    like: dict[str, Any] = {
        "event_id": f"e{event}",
        "actor_id": f"a{actor}",
        "target_id": f"t{target}",
        "occurred_at": BEGIN_MS + event,
        "action": "like",
        "content_origin": "unknown",
        "surface": "unknown",
        "human_probability": 1.0,
        "label": "human",
        "revision": 0,
    } | said
    for name, of in (
        ("action", ACTIONS),
        ("content_origin", CONTENT_ORIGINS),
        ("surface", SURFACES),
        ("label", LABELS),
        ("previous_label", LABELS),
    ):
        if name in like:
            like[name] = of.index(like[name])
    if "previous_label" in like:
        like.setdefault("previous_probability", 1.0)
    return like


def batch(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=schemas.TRUSTED_LIKES)
