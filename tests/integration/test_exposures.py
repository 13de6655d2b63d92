"""Slates through Kafka and HTTP, while ingest is killed: each counts once, what does not fit is kept, none is lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from shared.hashing import hash_strings
from shared.topics import EXPOSURES, EXPOSURES_BY_ACTOR, EXPOSURES_REJECTED
from tests.integration.platform import Platform
from tests.likes import START_MS, like
from tests.topics import read_frames

pytestmark = pytest.mark.integration

SLATES = 4000
TWICE = 500
BAD = 40


def slate(number: int) -> dict[str, Any]:
    items = [{"target_id": f"t{number + n}", "rank": n, "propensity": 0.1} for n in range(5)]
    at = START_MS + 100 * number
    return {"slate_id": f"s{number}", "occurred_at": at, "actor_id": f"a{number % 300}", "items": items}


def test_each_slate_counts_once_through_a_crash(tmp_path: Path) -> None:
    platform = Platform(tmp_path, ["ingest"])
    try:
        first, second = [slate(n) for n in range(SLATES // 2)], [slate(n) for n in range(SLATES // 2, SLATES)]
        bad = [{"actor_id": "x", "slate_id": n} for n in range(BAD)]
        asyncio.run(platform.send([*first, *first[:TWICE], *bad], EXPOSURES))
        url = f"{platform.stack.url('ingest')}/v1/exposures"
        answer = httpx.post(url, json=[*second[:100], {"slate_id": "none"}], timeout=30)
        assert answer.json()["accepted"] == 100, answer.text
        platform.stack.kill("ingest")
        asyncio.run(platform.send([*second[100:], *second[:TWICE]], EXPOSURES))
        # Likes are read beside slates.
        asyncio.run(platform.send([like(n) for n in range(500)]))
        platform.stack.start("ingest")
        platform.stack.wait_ready("ingest")
        platform.wait("ingest/slates_accepted_total", SLATES)
        platform.wait("ingest/slates_duplicates_total", 2 * TWICE)
        platform.wait("ingest/slates_rejected_total", BAD)
        platform.wait("ingest/accepted_total", 500)
        platform.rest()
        frames, _ = asyncio.run(read_frames(platform.settings, EXPOSURES_BY_ACTOR, platform.settings.partitions))
        rejected = platform.read(EXPOSURES_REJECTED)
    finally:
        platform.stop()
    rows = [row for _, frame in frames for row in frame.batch.to_pylist()]
    # What was sent before the crash comes again, from the same place in the log: a reader tells by that.
    places = {(row["slate"], row["rank"]): (row["source_partition"], row["source_offset"]) for row in rows}
    assert all(places[row["slate"], row["rank"]] == (row["source_partition"], row["source_offset"]) for row in rows)
    expected = hash_strings(pa.array([f"s{n}" for n in range(SLATES)])).tolist()
    assert places.keys() == {(number, rank) for number in expected for rank in range(5)}
    reasons = {dict(record.headers)["truelike-source"]: dict(record.headers)["truelike-errors"] for record in rejected}
    assert len(reasons) == BAD
    assert json.loads(next(iter(reasons.values())))[0].startswith("occurred_at: ")
    # An idle topic holds back nobody: its event time goes on where nothing is sent.
    last = frames[-1][1].progress
    assert last is not None
    assert min(last.watermarks.values()) > START_MS
