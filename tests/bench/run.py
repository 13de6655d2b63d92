"""`make bench`: each row beside its reference, in one run; prints a table and writes docs/benchmarks.md.

`python -m tests.bench.run NAME...` runs some of the parts only. LIKES sets the length of the memory rows (default
1,000,000), SUSTAIN the seconds of the pipeline's rows, RATE their likes a second.
`python -m tests.bench.detector_run 7000 --profile` says where the detector's time goes.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.bench import charts, choice, detector, flink, ingest, pipeline, predictor, sparse
from tests.bench.measuring import Bench, Part, Row
from tests.bench.report import section, updated
from truelike.cli.stack import PROJECT

PARTS: Final[dict[str, Part]] = {
    "ingest": ingest,
    "detector": detector,
    "sparse": sparse,
    "predictor": predictor,
    "choice": choice,
    "charts": charts,
    "pipeline": pipeline,
    # The last: where it is not fetched it ends the run, and says so.
    "flink": flink,
}
# What says within a minute or two whether something has become much slower.
SHORT: Final = ("ingest", "detector", "predictor", "choice", "charts")
DOCUMENT: Final = PROJECT / "docs" / "benchmarks.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.run", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="NAME", help=f"of {', '.join(PARTS)}; all of them where none")
    parser.add_argument("--short", action="store_true", help=f"fewer likes, {', '.join(SHORT)} only, nothing written")
    parser.add_argument("--dry", action="store_true", help="leave docs/benchmarks.md as it is")
    options = parser.parse_args()
    unknown = sorted(set(options.parts) - set(PARTS))
    if unknown:
        parser.error(f"no part named {', '.join(unknown)}; there are {', '.join(PARTS)}")
    console = Console()
    bench = Bench(console, short=options.short)
    for name in options.parts or (SHORT if options.short else PARTS):
        part = PARTS[name]
        rows = part.rows(bench)
        if not rows:
            continue
        show(console, part.TITLE, rows)
        if not (options.dry or options.short):
            order = [p.TITLE for p in PARTS.values()]
            DOCUMENT.write_text(updated(DOCUMENT.read_text(), {part.TITLE: section(where(), rows)}, order))
            console.print(f"written to {DOCUMENT.relative_to(PROJECT)}")


def show(console: Console, title: str, rows: list[Row]) -> None:
    table = Table("what", "measured", "reference in the same run", "ratio", title=title)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def where() -> str:
    """Which code, when, on what."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    revision = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True).stdout.strip()
    return (
        f"At {revision or 'an unknown revision'}, {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}."
    )


if __name__ == "__main__":
    main()
