"""The evaluation of detection as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.table import Table


def render(report: dict[str, Any]) -> Iterator[Table]:
    if report["attacks"]:
        yield _attacks(report)
    if any(row["rivals"] for row in report["attacks"]):
        yield _rivals(report)
    if report["crowds"]:
        yield _crowds(report)
    if report["calibration"]["reliability"]:
        yield _calibration(report["calibration"])


def markdown(table: Table) -> str:
    """The same for a document."""
    rows = zip(*(column.cells for column in table.columns), strict=True)
    lines = [[str(column.header) for column in table.columns], ["---"] * len(table.columns), *rows]
    return f"{table.title}\n\n" + "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def _attacks(report: dict[str, Any]) -> Table:
    calm = report["calm"]
    title = (
        f"{report['likes']:,} likes of {report['people']:,} people; without any attack {_share(calm['people_bot'])} of "
        f"them bot, {_share(calm['people_suspect'])} suspect; attacks {report['strength']}, seed {report['seed']}"
    )
    window = f"{report['window_seconds']} s"
    columns = ("attack", "fake likes", "accounts", "precision", "beside calm", "recall", "with suspects", "AP")
    later = (f"counted after {window}", "an hour", "a day")
    table = Table(*columns, *later, "people bot", "suspect", "ECE", "likes/s", title=title)
    for row in report["attacks"]:
        figures = ("precision", "precision_beside_calm", "recall", "recall_with_suspects", "average_precision")
        table.add_row(
            row["attack"],
            f"{row['fake_likes']:,}",
            f"{row['fake_actors']:,}",
            *(_figure(row[name]) for name in figures),
            *(_share(row["still_counted"][name]) for name in ("window", "hour", "day")),
            _share(row["people_bot"]),
            _share(row["people_suspect"]),
            _figure(row["ece"], 4),
            f"{row['likes_per_second']:,}",
        )
    return table


def _rivals(report: dict[str, Any]) -> Table:
    names = list(dict.fromkeys(name for row in report["attacks"] for name in row["rivals"]))
    title = "precision / recall / AP; *: draws no line of its own, and was told how many bots there are"
    marks = {
        name: "" if all(row["rivals"].get(name, {}).get("draws_a_line", True) for row in report["attacks"]) else "*"
        for name in names
    }
    table = Table("attack", "Truelike", *(name + marks[name] for name in names), title=title)
    for row in report["attacks"]:
        found = [row["rivals"].get(name) for name in names]
        table.add_row(row["attack"], _three(row), *(_three(said) for said in found))
    return table


def _three(row: dict[str, Any] | None) -> str:
    if row is None or "left_out" in row:
        return "left out"
    return " / ".join(_figure(row[name]) for name in ("precision", "recall", "average_precision"))


def _crowds(report: dict[str, Any]) -> Table:
    names = list(dict.fromkeys(name for row in report["crowds"] for name in row["rivals"]))
    names = [name for name in names if any(row["rivals"][name].get("called") is not None for row in report["crowds"])]
    title = "honest crowds: share of the members called so"
    columns = ("crowd", "other likes", "members", "bot", "suspect", "may be")
    table = Table(*columns, "people around bot", *names, title=title)
    for row in report["crowds"]:
        bound = row["may_be_suspect"]
        table.add_row(
            row["crowd"],
            "yes" if row["history"] else "",
            f"{row['members']:,}",
            _share(row["bot"]),
            _share(row["suspect"]),
            "nothing promised" if bound is None else _share(bound),
            _share(row["people_bot"]),
            *(_share(row["rivals"].get(name, {}).get("called")) for name in names),
        )
    return table


def _calibration(calibration: dict[str, Any]) -> Table:
    title = f"stated that a person liked, and how often one did; all attacks; ECE {calibration['ece']:.4f}"
    table = Table("likes", "stated", "people's", title=title)
    for row in calibration["reliability"]:
        table.add_row(f"{row['likes']:,}", f"{row['stated']:.3f}", f"{row['people']:.3f}")
    return table


def _figure(value: float | None, places: int = 2) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
