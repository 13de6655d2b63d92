"""`truelike evaluate loop-price`: what de-loop weights cost on one's own likes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from truelike.cli.atomic_output import output, require_apart
from truelike.cli.judged_files import are_exported, taken_at_their_word
from truelike.cli.output import err, out
from truelike.cli.reading import Reading, bars, close, likes_of_all, reads_a_file
from truelike.cli.shares import shares_of
from truelike.files.result import Result


@reads_a_file
def evaluate_loop_price(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Likes: CSV, JSON or Parquet, compressed or not; or the exporter's"),
    ],
    reading: Reading,
    loop_share: Annotated[str, typer.Option(help="Bounds of AI's share, as EXPORT_LOOP_SHARE; commas between")] = (
        ".1,.2,.3"
    ),
    report: Annotated[Path, typer.Option(help="Where the report goes, JSON")] = Path("loop-price.json"),
) -> None:
    """What the training feed's weights cost that lower what AI made and a machine chose to show: the predictor's model
    learns the same likes with their trust and with these weights, and ranks each like of people before it learns it.

    Of files it needs no broker: likes go through the detector first; the exporter's Parquet (docs/feed.md) is taken at
    its word, unless --map, --sql or --format say how to read it. Exits 1 if no like was accepted (then nothing is
    written), 3 if more than --tolerate was rejected.

    Example: `truelike evaluate loop-price export/date=*/*.parquet --loop-share .1,.2,.3`
    """
    from truelike.evaluation import loop_price, loop_tables
    from truelike.report import from_files

    bounds, result = shares_of("--loop-share", loop_share), Result()
    with bars() as bar:
        if are_exported(files, reading):
            require_apart({str(path): path for path in files}, {"--report": report, "--rejected": reading.rejected})
            likes = taken_at_their_word(files, result, bar("reading"))
        else:
            with likes_of_all(files, reading, result, {"--report": report}, bar("reading")) as spool:
                likes = from_files.latest_judged(spool, result, bar("judging"))
    if result.accepted:
        with err.status("") as status:
            found = loop_price.evaluate(likes, bounds, lambda what: status.update(f"measuring: {what}"))
        with output(report) as written:
            written.file.write(json.dumps(found, indent=2).encode() + b"\n")
            written.publish()
        for table in loop_tables.render_price(found):
            out.print(table)
        out.print(str(report), highlight=False, soft_wrap=True)
    close(result)
    raise typer.Exit(reading.code(result))
