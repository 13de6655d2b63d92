"""The evaluation as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from rich.table import Table

# That are printed; the report has all.
MOST_LANGUAGES: Final = 12


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
    if report["language_floor"] is not None:
        yield from _floors(report["language_floor"])
    if report["bots"] is not None:
        bots = report["bots"]
        title = f"people's likes, {bots['bot_likes']:,} likes of bots laid over them"
        table = Table("trust weights", "HR@10", "HR@20", "loss of HR@10", title=title)
        for name, row in bots["rows"].items():
            table.add_row(name, f"{row['hr@10']:.4f}", f"{row['hr@20']:.4f}", f"{row['loss of hr@10']:.1%}")
        yield table


def _floors(report: dict[str, Any]) -> Iterator[Table]:
    """What floors for languages cost, of all likes and by language."""
    protected = ", ".join(report["protected"]) or "no language"
    title = f"floors for {protected}: rankings as published, {report['likes']:,} likes"
    names = ("HR@10", "lost", "HR@20", "MRR@20", "coverage", "protected")
    table = Table("share", "least in 10, 20", *names, title=title)
    for row in report["rows"]:
        table.add_row(
            _floor(row),
            f"{row['least_in_10']}, {row['least_in_20']}",
            f"{row['hr@10']:.4f}",
            f"{row['lost_hr@10']:.4f} ± {1.96 * row['standard_error']:.4f}" if row["share"] else "",
            *(f"{row[name]:.4f}" for name in ("hr@20", "mrr@20", "coverage", "shown_protected")),
        )
    yield table
    title = f"the {MOST_LANGUAGES} languages with most likes"
    table = Table("language", "share", "HR@10", "coverage", "shown", "likes", "items", "surprise, bits", title=title)
    for name in list(report["rows"][0]["by_language"])[:MOST_LANGUAGES]:
        for number, row in enumerate(report["rows"]):
            of_it = row["by_language"][name]
            counts = (f"{of_it['likes']:,}", f"{of_it['items']:,}", f"{of_it['surprise_bits']:.2f}")
            figures = (f"{of_it[figure]:.4f}" for figure in ("hr@10", "coverage", "shown"))
            table.add_row(name if not number else "", _floor(row), *figures, *(counts if not number else ()))
    yield table


def _floor(row: dict[str, Any]) -> str:
    return f"{row['share']:g}" if row["share"] else "no floor"
