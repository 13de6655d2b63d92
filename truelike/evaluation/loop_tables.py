"""The reports of `truelike evaluate loop` and `loop-price` as tables."""

from __future__ import annotations

from typing import Any

from rich.table import Table


def render(report: dict[str, Any]) -> list[Table]:
    figures = Table(
        "figure", "seeds", "identified", "coverage", "median width", "mean", "planted", title="goal: .95 or more"
    )
    for row in report["figures"]:
        numbers = (row[name] for name in ("coverage", "median_width", "mean_value", "truth"))
        figures.add_row(row["figure"], str(row["seeds"]), str(row["identified"]), *map(_said, numbers))
    gain = Table("arms", "seeds", "bounded", "coverage", "median width", "median", "planted", title="causal gain")
    for row in report["gain"]:
        numbers = (row[name] for name in ("coverage", "median_width", "median_value", "truth"))
        gain.add_row(row["arms"], str(row["seeds"]), str(row["bounded"]), *map(_said, numbers))
    refusals = Table("what is lacking", "figure", "figures", "not identified", "says")
    for row in report["refusals"]:
        refusals.add_row(row["log"], row["figure"], str(row["said"]), str(row["not_identified"]), row["says"])
    return [figures, gain, refusals]


def render_price(report: dict[str, Any]) -> list[Table]:
    """The report of `truelike evaluate loop-price`."""
    title = f"{report['people']:,} likes of people, {report['recommended AI']:,} of them of recommended AI"
    names = ("HR@10", "lost", "lost by chance", "of recommended AI", "of the rest", "AI's share", "weight left")
    table = Table("bound", *names, title=title)
    for row in report["rows"]:
        bounded = row["bound"] is not None
        table.add_row(
            f"{row['bound']:g}" if bounded else "none",
            f"{row['hr@10']:.4f}",
            f"{row['lost hr@10']:.4f} ± {1.96 * row['standard error']:.4f}" if bounded else "",
            f"{row['lost by chance']:.4f}" if bounded else "",
            *(_said(row[f"hr@10 of {which}"]) for which in ("recommended AI", "the rest")),
            f"{row['share of AI']:.3f}",
            f"{row['weight left']:.3f}",
        )
    return [table]


def _said(number: float | None) -> str:
    return "none" if number is None else f"{number:.3f}"
