"""What `truelike` does with a file, without a broker."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from truelike.cli.atomic_output import output
from truelike.cli.output import out
from truelike.cli.reading import File, Reading, bars, close, likes_of, reads_a_file
from truelike.files.result import Result


@reads_a_file
def detect(
    file: File,
    reading: Reading,
    out_file: Annotated[Path, typer.Option("--out", help="Verdicts, JSON lines")] = Path("verdicts.jsonl"),
    campaigns: Annotated[Path | None, typer.Option(help="Campaigns, JSON lines")] = None,
    window: Annotated[int, typer.Option(help="Length of a verdict's window, s", min=1)] = 300,
    everyone: Annotated[
        bool, typer.Option("--all", help="Also a verdict on each window of those whom nothing speaks against")
    ] = False,
    horizon: Annotated[float, typer.Option(help="How long meetings are remembered, days", min=0.01)] = 30.0,
) -> None:
    """Judge the likes of a file with the detector's own code; needs no broker. Rows may be in any order.

    Exits 1 if nothing was accepted (then nothing is written), 3 if more than --tolerate was rejected.

    Example: `truelike detect likes.csv.gz --out verdicts.jsonl --campaigns campaigns.jsonl`

    Example: `truelike detect export.csv --sql "select user as actor_id, song as target_id, occurred_at from file"`
    """
    from services.detector.settings import Judgement
    from truelike.cli import offline

    settings = Judgement(4, window * 1000, horizon_ms=round(horizon * 86_400_000))
    result = Result()
    with (
        bars() as bar,
        likes_of(file, reading, result, {"--out": out_file, "--campaigns": campaigns}, bar("reading")) as spool,
        output(out_file) as verdicts,
        output(campaigns) if campaigns is not None else nullcontext() as groups,
    ):
        report = offline.detect(
            spool,
            settings,
            verdicts.file,
            groups.file if groups is not None else None,
            result,
            bar("judging"),
            everyone,
        )
        if result.accepted:
            verdicts.publish()
            if groups is not None:
                groups.publish()
    if result.accepted:
        judged = result.accepted - result.late
        table = Table("actors' windows", "number", title=f"{judged:,} likes judged")
        for label in ("human", "suspect", "bot", "agent"):
            table.add_row(label, f"{report[f'final_{label}']:,}")
        table.add_row("campaigns", f"{report['campaigns']:,}")
        out.print(table)
        out.print(f"{report['likes_per_second']:,} likes/s; verdicts in {out_file}", highlight=False, soft_wrap=True)
    close(result)
    raise typer.Exit(reading.code(result))


@reads_a_file
def predict(
    file: File,
    reading: Reading,
    report: Annotated[Path, typer.Option(help="Where the report goes, JSON")] = Path("report.json"),
) -> None:
    """Predict each like of a file before learning it, in order of time, and report how often that was right; needs no
    broker.

    Exits 1 if nothing was accepted (then nothing is written), 3 if more than --tolerate was rejected.

    Example: `truelike predict likes.parquet --report report.json --map actor_id=user --map target_id=song`

    Example: `truelike predict ratings.csv --format movielens`
    """
    from truelike.cli import offline

    result = Result()
    with (
        bars() as bar,
        likes_of(file, reading, result, {"--report": report}, bar("reading")) as spool,
        output(report) as written,
    ):
        figures = offline.predict(spool, result, bar("predicting"))
        if result.accepted:
            written.file.write(json.dumps(figures, indent=2).encode() + b"\n")
            written.publish()
    if result.accepted:
        table = Table("figure", "value", title=f"{figures['predictions']:,.0f} likes scored before they were learnt")
        for name in ("hr@10", "hr@20", "mrr@20", "ece", "surprise_bits"):
            table.add_row(name, f"{figures[name]:.4f}")
        table.add_row("likes/s", f"{figures['likes_per_second']:,}")
        out.print(table)
    close(result)
    raise typer.Exit(reading.code(result))
