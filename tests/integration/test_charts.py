"""From likes to charts and the loop's figures, while the charts service is killed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from shared.messages import Chart, PlatformLoop
from tests import charts_outcome
from tests.integration.platform import Platform
from tests.likes import START_MS, like
from truelike.cli.forget import forget

pytestmark = pytest.mark.integration

PARTS = 6
LIKES = 6000
PEOPLE = 150
SERVICES = ("ingest", "detector", "predictor", "exporter", "charts", "choice", "console")


def made(seed: int = 3) -> list[dict[str, Any]]:
    """Four hours of people's likes, agents that like one thing, and an unlike now and then."""
    rng = np.random.default_rng(seed)
    events = []
    for n in range(LIKES):
        at_s, item = n * 2.4, int(rng.zipf(1.4)) % 60
        about = {
            "creator_id": f"c{item % 9}",
            "content_origin": "ai" if item % 5 == 0 else "human",
            "content_language": ("en", "sw")[item % 2],
            "surface": ("organic", "recommended")[n % 2],
        }
        person = f"p{rng.integers(PEOPLE)}"
        if n % 10 == 0:
            machine = {"actor_kind": "agent", "content_origin": "ai", "creator_id": "ai-star", "surface": "organic"}
            events.append(like(n, f"agent{n // 10 % 60}", "ai-song", at_s, **machine))
        else:
            events.append(like(n, person, f"t{item}", at_s, **about))
        if n % 50 == 1:
            events.append(like(LIKES + n, person, f"t{item}", at_s + 0.2, action="unlike"))
    return events


def test_kills_change_no_chart(tmp_path: Path) -> None:
    events = made()
    platform = Platform(tmp_path, SERVICES)
    try:
        for part in range(PARTS):
            size = len(events) // PARTS + 1
            asyncio.run(platform.send(events[part * size : (part + 1) * size]))
            if part in (2, 4):
                platform.stack.kill("charts")
                platform.stack.start("charts")
            time.sleep(0.7)
        platform.wait("predictor/predictor_likes_total", len(events), seconds=120)
        platform.wait("charts/charts_likes_total", len(events), seconds=60)
        platform.rest(120)
        found, expected = asyncio.run(charts_outcome.settled(platform.settings))
        for _, is_said, should_be in found.beside(expected):
            assert is_said == should_be
        url = platform.stack.url("console")
        chart = Chart.model_validate_json(httpx.get(f"{url}/v1/charts?period=week").content)
        top = {entry.id: entry for entry in chart.entries}
        assert top["ai-song"].rank <= 3
        assert top["ai-song"].from_machines == 1
        assert top["ai-song"].human_weight == 0
        assert chart.exact
        assert chart.ai_liked == pytest.approx(0.1, abs=0.02)
        swahili = httpx.get(f"{url}/v1/charts?period=week&of=creator&language=sw").json()
        assert {entry["id"] for entry in swahili["entries"]} == {f"c{n}" for n in range(9)}
        past = httpx.get(f"{url}/v1/charts?period=hour&at={START_MS + 3_700_000}").json()
        assert past["name"] == "2026-01-01T01"
        assert httpx.get(f"{url}/v1/charts?at=yesterday").status_code == 422
        assert httpx.get(f"{url}/v1/charts?period=hour&at=2025-12-31").status_code == 404
        loop = PlatformLoop.model_validate_json(httpx.get(f"{url}/v1/loop").content)
        said = {(f.figure, (f.model_extra or {}).get("origin")): f for f in loop.figures}
        assert said["who_likes_what", "ai"].identified
        assert said["who_likes_what", "ai"].value > 0.1
        reports = asyncio.run(forget(platform.settings, ["p3"], 60))
        assert reports["charts"]["likes"] > 20
        assert platform.stack.stop("charts") == {"charts": 0}
    finally:
        platform.stop()
