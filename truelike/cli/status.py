"""A table of services: health, lag, counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich.table import Table

from truelike.cli.stack import Metrics, endpoints, scrape

COUNTS = (
    "read_total",
    "received_total",
    "accepted_total",
    "likes_total",
    "judged_likes_total",
    "verdicts_total",
    "predictor_likes_total",
    "joined_likes_total",
    "exported_likes_total",
    "viewed_frames_total",
    "simulated_likes_total",
)


@dataclass(frozen=True)
class Seen:
    """What one process says of itself; `healthy` and `ready` are "ok" or what is wrong."""

    service: str
    url: str
    healthy: str
    ready: str
    metrics: Metrics


def look(named: Sequence[str], folder: Path) -> list[Seen]:
    """At the named endpoints, or at those found in `folder`."""
    if not named and (folder.parent / "environment.json").exists():
        folder = Path(json.loads((folder.parent / "environment.json").read_text())["ENDPOINT_DIR"])
    return [
        Seen(e["service"], e["url"], _check(f"{e['url']}/healthz"), _check(f"{e['url']}/readyz"), scrape(e["url"]))
        for e in endpoints(named, folder)
    ]


def table(seen: list[Seen]) -> Table:
    rows = Table("service", "address", "healthy", "ready", "lag", "counts")
    for one in seen:
        lag = sum(v for k, v in one.metrics.items() if "/lag_" in k)
        counts = ", ".join(
            f"{n.removesuffix('_total')} {v:,.0f}" for k, v in one.metrics.items() if (n := k.split("/")[1]) in COUNTS
        )
        rows.add_row(one.service, one.url, one.healthy, one.ready, f"{lag:,.0f}", counts)
    if not seen:
        rows.add_row("none found", "", "", "", "", "start `make demo`, or name them with --endpoint")
    return rows


def _check(url: str) -> str:
    try:
        answer = httpx.get(url, timeout=3).json()
    except (httpx.HTTPError, ValueError):
        return "no answer"
    failing = [f"{name}: {why}" for name, why in answer["checks"].items() if why != "ok"]
    return "; ".join(failing) or "ok"
