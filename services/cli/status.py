"""A table of services: health, lag, counts."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from rich.table import Table

from services.cli.stack import read_endpoints, scrape

COUNTS = (
    "read_total",
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


def table(named: list[dict[str, str]] | None, folder: Path) -> tuple[Table, bool]:
    """Rows for the named endpoints, or for those found in `folder`; and whether all are ready."""
    if not named and (folder.parent / "environment.json").exists():
        folder = Path(json.loads((folder.parent / "environment.json").read_text())["ENDPOINT_DIR"])
    endpoints = named or read_endpoints(folder)
    rows = Table("service", "address", "healthy", "ready", "lag", "counts")
    fine = bool(endpoints)
    for endpoint in endpoints:
        healthy, ready = (_check(f"{endpoint['url']}/{path}") for path in ("healthz", "readyz"))
        metrics = scrape(endpoint["url"])
        lag = sum(v for k, v in metrics.items() if "/lag_" in k)
        counts = ", ".join(
            f"{n.removesuffix('_total')} {v:,.0f}" for k, v in metrics.items() if (n := k.split("/")[1]) in COUNTS
        )
        rows.add_row(endpoint["service"], endpoint["url"], healthy, ready, f"{lag:,.0f}", counts)
        fine = fine and ready == "ok"
    if not endpoints:
        rows.add_row("none found", str(folder), "", "", "", "start `make demo`, or name them with --endpoint")
    return rows, fine


def _check(url: str) -> str:
    try:
        answer = httpx.get(url, timeout=3).json()
    except (httpx.HTTPError, ValueError):
        return "no answer"
    failing = [f"{name}: {why}" for name, why in answer["checks"].items() if why != "ok"]
    return "; ".join(failing) or "ok"
