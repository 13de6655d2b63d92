"""The demo's live view."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from shared.labels import LABELS
from truelike.cli.stack import Metrics, latency_quantile

STAGES = (
    ("simulator", "sent", "simulator/acknowledged_messages_total"),
    ("ingest", "accepted", "ingest/accepted_total"),
    ("detector", "counted by actor", "actor/likes_total"),
    ("detector", "weighed", "verdict/judged_likes_total"),
    ("predictor", "scored and learnt", "predictor/predictor_likes_total"),
    ("choice", "joined with what was shown", "choice/joined_likes_total"),
    ("charts", "counted in charts", "charts/charts_likes_total"),
    ("exporter", "exported or waiting", "exporter/exported_likes_total"),
)
COLOURS = {"human": "green", "suspect": "yellow", "bot": "red", "agent": "blue"}
BAR = 40


def render(
    before: tuple[float, Metrics], now: tuple[float, Metrics], campaigns: list[dict[str, Any]]
) -> RenderableType:
    """One picture from two readings of (seconds, metrics)."""
    seconds, metrics = max(now[0] - before[0], 1e-6), now[1]
    stages = Table("service", "stage", "likes/s", "likes", title="the way of a like")
    for service, what, counter in STAGES:
        rate = (metrics.get(counter, 0) - before[1].get(counter, 0)) / seconds
        stages.add_row(service, what, f"{rate:,.0f}", f"{metrics.get(counter, 0):,.0f}")
    return Group(Columns([stages, _health(metrics)]), _verdicts(metrics), _campaign_table(campaigns))


def _health(metrics: Metrics) -> Table:
    table = Table("", "", title="health", show_header=False)
    event_seconds = metrics.get("simulator/event_time_seconds", 0)
    if event_seconds:
        table.add_row("event time", f"{datetime.fromtimestamp(event_seconds, UTC):%Y-%m-%d %H:%M} UTC")
    for stage in ("ingest", "actor", "target", "verdict", "predictor", "choice", "charts", "exporter", "console"):
        unit = "likes" if stage == "ingest" else "frames"
        table.add_row(f"lag {stage}", f"{metrics.get(f'{stage}/lag_{unit}', 0):,.0f} {unit}")
    for stage, what in (("verdict", "p99 to weight"), ("predictor", "p99 to prediction"), ("choice", "p99 to report")):
        value = latency_quantile(metrics, stage, 0.99)
        table.add_row(what, f"{value:.2f} s" if value is not None else "")
    scored = metrics.get("predictor/scored_likes_total", 0)
    if scored:
        table.add_row(
            "predicted before they came",
            f"{metrics.get('predictor/hits_at_20_total', 0) / scored:.1%} in the first 20",
        )
    return table


def _verdicts(metrics: Metrics) -> Panel:
    counts = {label: metrics.get(f"verdict/final_{label}_total", 0) for label in LABELS}
    most = max(*counts.values(), 1)
    text = Text()
    for label, count in counts.items():
        text.append(f"{label:8}", COLOURS[label])
        text.append("█" * round(BAR * count / most), COLOURS[label])
        text.append(f" {count:,.0f}\n")
    return Panel(text, title="verdicts")


def _campaign_table(campaigns: list[dict[str, Any]]) -> Table:
    table = Table("kind", "actors", "targets", "what was seen", title="latest campaigns", expand=True)
    for campaign in campaigns:
        counts = (str(campaign["actor_count"]), str(campaign["target_count"]))
        table.add_row(campaign["kind"], *counts, campaign["evidence"][0])
    return table
