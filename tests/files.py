"""Likes files for tests, and what reading one gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from shared import frames, schemas
from shared.frames import from_message
from truelike.files.offline import OfflineIngest
from truelike.files.options import ReadOptions, parse_mapping, parse_zone
from truelike.files.reading import opened
from truelike.files.result import Result

NAMES = ("event_id", "occurred_at", "actor_id", "target_id")
ROWS = [(f"e{n}", f"2026-03-01T09:00:{n:02d}Z", f"ann{n % 5}", f"song{n % 7}") for n in range(20)]
HEADER = ",".join(NAMES)
EVENTS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
LINES = [json.dumps(event) for event in EVENTS]
CSV = "\n".join([HEADER, *(",".join(row) for row in ROWS)]) + "\n"
JSONL = "\n".join(LINES) + "\n"


def read(path: Path, mapping: tuple[str, ...] = (), timezone: str | None = None, **more: Any) -> tuple[Result, Any]:
    """What became of the rows, and the likes (a table of `schemas.LIKES`) in order of time."""
    zone = parse_zone(timezone) if timezone is not None else None
    result, ingest, batches = Result(), OfflineIngest(1), []
    with opened(
        path, ReadOptions(parse_mapping(mapping), zone=zone, **more), result, lambda done, total: None
    ) as spool:
        for _, messages in ingest.frames(spool, result):
            batches += [from_message(m.value, m.headers).batch for m in messages]
    return result, frames.join(batches, schemas.LIKES)


def reasons(result: Result) -> dict[str, int]:
    return {reason.said: reason.count for reason in result.rejected.values()}
