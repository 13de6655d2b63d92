"""The evaluation as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table


def render(report: dict[str, Any]) -> Iterator[Table]:
    title = f"{report['likes']:,} likes, {report['users']:,} users, {report['items']:,} items; ranked, then learnt"
    table = Table("method", "HR@10", "HR@20", "MRR@20", "scored", "seconds", "state, MB", title=title)
    for row in report["methods"]:
        style = "bold" if row["method"] == "Truelike" else ""
        table.add_row(
            row["method"],
            *(f"{row[name]:.4f}" for name in ("hr@10", "hr@20", "mrr@20")),
            f"{row['scored']:,}",
            f"{row['seconds']:.1f}",
            f"{row['state_mb']:.1f}",
            style=style,
        )
    yield table
    if report["bots"] is not None:
        bots = report["bots"]
        title = f"people's likes, {bots['bot_likes']:,} likes of bots laid over them"
        table = Table("trust weights", "HR@10", "HR@20", "loss of HR@10", title=title)
        for name, row in bots["rows"].items():
            table.add_row(name, f"{row['hr@10']:.4f}", f"{row['hr@20']:.4f}", f"{row['loss of hr@10']:.1%}")
        yield table
