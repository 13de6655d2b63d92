"""A table of services: health, lag, counts."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from rich.table import Table

from services.cli.stack import Metrics, read_endpoints, scrape

COUNTS = (
    "received_total",
    "accepted_total",
    "likes_total",
    "judged_likes_total",
    "verdicts_total",
    "predictor_likes_total",
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


def look(named: list[dict[str, str]] | None, folder: Path) -> list[Seen]:
    """At the named endpoints, or at those found in `folder`."""
    if not named and (folder.parent / "environment.json").exists():
        folder = Path(json.loads((folder.parent / "environment.json").read_text())["ENDPOINT_DIR"])
    endpoints = [one for each in named for one in _processes(each)] if named else read_endpoints(folder)
    return [
        Seen(e["service"], e["url"], _check(f"{e['url']}/healthz"), _check(f"{e['url']}/readyz"), scrape(e["url"]))
        for e in endpoints
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


def _processes(endpoint: dict[str, str]) -> list[dict[str, str]]:
    """One endpoint for each address of a name: behind a service's name in a container network are all its processes."""
    parts = urlsplit(endpoint["url"])
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port, socket.AF_INET, socket.SOCK_STREAM)
    except (OSError, ValueError):
        return [endpoint]
    hosts = sorted({str(address[0]) for *_, address in found})
    if len(hosts) < 2 or parts.scheme != "http":
        return [endpoint]
    return [{**endpoint, "url": parts._replace(netloc=f"{host}:{parts.port or 80}").geturl()} for host in hosts]


def _check(url: str) -> str:
    try:
        answer = httpx.get(url, timeout=3).json()
    except (httpx.HTTPError, ValueError):
        return "no answer"
    failing = [f"{name}: {why}" for name, why in answer["checks"].items() if why != "ok"]
    return "; ".join(failing) or "ok"
