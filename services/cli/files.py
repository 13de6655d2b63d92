"""What `truelike` does with a file, without a broker; and what is asked of every file."""

from __future__ import annotations

import json
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from services.cli.output import err, fail, out
from services.replay.files import UnreadableFile, count_rows

File = Annotated[Path, typer.Argument(help="CSV, JSON lines (both also .gz) or Parquet")]
Mapping = Annotated[
    list[str] | None,
    typer.Option("--map", help="field=column where the file's column has another name, e.g. actor_id=user"),
]


def parse_mapping(pairs: list[str] | None) -> dict[str, str]:
    mapping = {}
    for pair in pairs or []:
        field, found, column = pair.partition("=")
        if not found:
            raise fail(f"--map {pair!r}: write field=column, e.g. --map actor_id=user")
        mapping[field] = column
    return mapping


@contextmanager
def progress(what: str, path: Path) -> Any:
    """A progress bar over the file's rows; yields the function to advance it."""
    if not path.is_file():
        raise fail(f"no such file: {path}")
    bar = Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=not err.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=count_rows(path))
        yield lambda rows: bar.advance(task, rows)


def detect(
    file: File,
    out_file: Annotated[Path, typer.Option("--out", help="Verdicts, JSON lines")] = Path("verdicts.jsonl"),
    campaigns: Annotated[Path | None, typer.Option(help="Campaigns, JSON lines")] = None,
    window: Annotated[int, typer.Option(help="Length of a verdict's window, s", min=1)] = 300,
    gap: Annotated[int, typer.Option(help="Two actors meet within this time on one target, s", min=1)] = 60,
    horizon: Annotated[float, typer.Option(help="How long meetings are remembered, days", min=0.01)] = 30.0,
    mapping: Mapping = None,
) -> None:
    """Judge the likes of a file with the detector's own code; needs no broker.

    Example: `truelike detect likes.csv.gz --out verdicts.jsonl --campaigns campaigns.jsonl`
    """
    from services.cli import offline
    from services.detector.settings import Judgement

    settings = Judgement(4, window * 1000, horizon_ms=round(horizon * 86_400_000), lockstep_gap_ms=gap * 1000)
    columns = parse_mapping(mapping)
    try:
        with (
            progress("judging", file) as advance,
            out_file.open("wb") as verdicts,
            campaigns.open("wb") if campaigns else nullcontext() as groups,
        ):
            report = offline.detect(file, settings, verdicts, groups, columns, advance)
    except UnreadableFile as error:
        raise fail(str(error)) from None
    table = Table("verdicts", "number", title=f"{report['accepted']:,} likes judged, {report['rejected']:,} rejected")
    for label in ("human", "suspect", "bot", "agent"):
        table.add_row(label, f"{report[f'final_{label}']:,}")
    table.add_row("campaigns", f"{report['campaigns']:,}")
    out.print(table)
    out.print(f"{report['likes_per_second']:,} likes/s; verdicts in {out_file}", highlight=False)


def predict(
    file: File,
    report: Annotated[Path, typer.Option(help="Where the report goes, JSON")] = Path("report.json"),
    mapping: Mapping = None,
) -> None:
    """Predict each like of a file before learning it, and report how often that was right; needs no broker.

    Example: `truelike predict likes.parquet --report report.json --map actor_id=user --map target_id=song`
    """
    from services.cli import offline

    columns = parse_mapping(mapping)
    try:
        with progress("predicting", file) as advance:
            figures = offline.predict(file, columns, advance)
    except UnreadableFile as error:
        raise fail(str(error)) from None
    report.write_text(json.dumps(figures, indent=2) + "\n")
    table = Table("figure", "value", title=f"{figures['predictions']:,.0f} likes scored before they were learnt")
    for name in ("hr@10", "hr@20", "mrr@20", "ece", "surprise_bits"):
        table.add_row(name, f"{figures[name]:.4f}")
    table.add_row("likes/s", f"{figures['likes_per_second']:,}")
    out.print(table)


def evaluate_predictions(
    file: File,
    folder: Annotated[Path, typer.Option("--out", help="Folder for report.json and the pictures")] = Path("evaluation"),
    river: Annotated[bool, typer.Option(help="Also River's recommenders (slow)")] = True,
    bots: Annotated[bool, typer.Option(help="Also with bots' likes laid over the stream")] = True,
    seed: Annotated[int, typer.Option(help="Seed of the bots", min=0)] = 7,
    mapping: Mapping = None,
) -> None:
    """Rank each like before learning it, by Truelike and by others, and draw how that went; needs no broker.

    Example: `truelike evaluate predictions likes.parquet --map actor_id=user --map target_id=song`
    """
    from services.evaluation import plots, predictions, stream, tables

    columns = parse_mapping(mapping)
    try:
        with progress("reading", file) as advance:
            likes = stream.read(file, columns, advance)
    except UnreadableFile as error:
        raise fail(str(error)) from None
    if len(likes) == 0:
        raise fail(f"{file} has no likes that ingest accepts")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with err.status("") as status:
            report = predictions.evaluate(likes, river, bots, seed, lambda what: status.update(f"measuring: {what}"))
        pictures = plots.draw(report, folder)
    except ImportError as error:
        raise fail(f"{error}: pip install 'truelike[evaluate]', or leave River out with --no-river") from None
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    for table in tables.render(report):
        out.print(table)
    for left in report["left_out"]:
        out.print(f"left out: {left}", highlight=False)
    out.print(f"{folder / 'report.json'}, {', '.join(map(str, pictures))}", highlight=False)
