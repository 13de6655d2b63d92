"""`truelike evaluate ...`: how good it is, beside others, on one's own file."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from truelike.cli.atomic_output import output
from truelike.cli.output import err, fail, out
from truelike.cli.reading import NOTHING_ACCEPTED, File, Reading, bars, close, likes_of, reads_a_file, told
from truelike.cli.shares import shares_of
from truelike.files.content import WrongUse
from truelike.files.result import Result

PICTURES: Final = ("hr_over_time.png", "reliability.png")

Folder = Annotated[Path, typer.Option("--out", help="Folder for report.json and the pictures")]


@reads_a_file
def evaluate_predictions(
    file: File,
    reading: Reading,
    folder: Folder = Path("evaluation"),
    river: Annotated[bool, typer.Option(help="Also River's recommenders (slow)")] = True,
    bots: Annotated[bool, typer.Option(help="Also with bots' likes laid over the stream")] = True,
    seed: Annotated[int, typer.Option(help="Seed of the bots", min=0)] = 7,
    language_floor: Annotated[
        str | None, typer.Option(help="Also what floors for languages cost: shares with commas between, .1,.2,.3")
    ] = None,
    floor_languages: Annotated[
        str | None, typer.Option(help="Protected languages: cy,ga; default: all but the one that most likes are in")
    ] = None,
) -> None:
    """Rank each like before learning it, by Truelike and by others, and draw how that went; needs no broker.

    Exits 1 if nothing was accepted (then nothing is written), 3 if more than --tolerate was rejected.

    Example: `truelike evaluate predictions likes.parquet --map actor_id=user --map target_id=song`

    Example: `truelike evaluate predictions likes.jsonl --language-floor .2,.3,.5 --floor-languages cy --no-bots`
    """
    from services.predictor.settings import languages_of
    from truelike.evaluation import plots, predictions, stream, tables

    floors = shares_of("--language-floor", language_floor)
    try:
        protected = languages_of(floor_languages)
    except ValueError as error:
        raise WrongUse(f"--floor-languages: {error}") from None
    result = Result()
    places = {f"--out's {name}": folder / name for name in ("report.json", *PICTURES)}
    with bars() as bar, likes_of(file, reading, result, dict(places), bar("reading")) as spool:
        likes = stream.read(spool, result, bar("sorting"))
    if not len(likes):
        close(result)
        raise typer.Exit(NOTHING_ACCEPTED)

    def measure() -> dict[str, Any]:
        with err.status("") as status:

            def say(what: str) -> None:
                status.update(f"measuring: {what}")

            return predictions.evaluate(likes, river, bots, seed, say, floors, protected)

    try:
        report, written = _written(folder, measure, plots.draw)
    except ImportError as error:
        raise fail(f"{error}: pip install 'truelike[evaluate]', or leave River out with --no-river") from None
    _show(tables.render(report), report["left_out"], written)
    close(result)
    raise typer.Exit(reading.code(result))


@reads_a_file
def evaluate_detection(
    file: File,
    reading: Reading,
    folder: Folder = Path("evaluation-detection"),
    attacks: Annotated[str, typer.Option(help="Which ones: all, none, or names with commas between")] = "all",
    crowds: Annotated[str, typer.Option(help="Honest crowds: all, none, or names with commas between")] = "all",
    strength: Annotated[Literal["weak", "usual", "strong"], typer.Option(help="Of the attacks")] = "usual",
    seed: Annotated[int, typer.Option(help="Seed of attacks and crowds", min=0)] = 7,
    window: Annotated[int, typer.Option(help="Length of a verdict's window, s", min=1)] = 300,
    rivals: Annotated[bool, typer.Option(help="Also published methods, on the same streams")] = True,
) -> None:
    """Lay attacks and honest crowds over the likes of a file, and see what the detector makes of each, beside others:
    what would slip through here? All that is in the file counts as people's. Needs no broker.

    Exits 1 if nothing was accepted (then nothing is written), 3 if more than --tolerate was rejected.

    Example: `truelike evaluate detection likes.csv.gz --out red-team`

    Example: `truelike evaluate detection likes.csv.gz --attacks lockstep,drip --crowds none --strength weak --seed 3`
    """
    from truelike.evaluation import detection, detection_plots, detection_tables, stream
    from truelike.evaluation.attacks import ATTACKS
    from truelike.evaluation.background import Background
    from truelike.evaluation.crowds import CROWDS
    from truelike.evaluation.feeding import of_batch

    options = detection.Options(
        attacks=_chosen("--attacks", attacks, ATTACKS),
        crowds=_chosen("--crowds", crowds, CROWDS),
        strength=strength,
        seed=seed,
        window_ms=window * 1000,
        **({} if rivals else {"rivals": ()}),
    )
    result = Result()
    places = {f"--out's {name}": folder / name for name in ("report.json", "report.md", *detection_plots.PICTURES)}
    with bars() as bar, likes_of(file, reading, result, dict(places), bar("reading")) as spool:
        batch = stream.read_all(spool, result, bar("sorting"))
    if not batch.num_rows:
        close(result)
        raise typer.Exit(NOTHING_ACCEPTED)

    def measure() -> dict[str, Any]:
        with bars() as bar:
            advance = bar("laying and judging")
            return detection.evaluate(Background(of_batch(batch)), options, lambda _, done, total: advance(done, total))

    def draw(report: dict[str, Any], made: Path) -> list[Path]:
        text = made / "report.md"
        text.write_text("\n".join(map(detection_tables.markdown, detection_tables.render(report))))
        return [text, *detection_plots.draw(report, made)]

    try:
        report, written = _written(folder, measure, draw)
    except ImportError as error:
        raise fail(f"{error}: pip install 'truelike[evaluate]'") from None
    _show(detection_tables.render(report), (f"{name}: {why}" for name, why in report["left_out"].items()), written)
    close(result)
    raise typer.Exit(reading.code(result))


def evaluate_loop(
    report: Annotated[Path, typer.Option(help="Where the report goes, JSON")] = Path("loop-evaluation.json"),
    seeds: Annotated[int, typer.Option(help="Made worlds; each is looked at five times", min=1)] = 200,
    first_seed: Annotated[int, typer.Option(help="The first one's seed", min=0)] = 1,
) -> None:
    """How often the intervals of the loop's figures hold what was planted in made worlds: who likes what, the loop and
    its gain, languages, whom the detector wrongs; and what is said where that cannot be known.

    Example: `truelike evaluate loop --seeds 200 --report loop.json`
    """
    from truelike.evaluation import loop, loop_tables

    with told():
        with bars() as bar:
            found = loop.evaluate(seeds, first_seed, bar("making worlds"))
        with output(report) as written:
            written.file.write(json.dumps(found, indent=2).encode() + b"\n")
            written.publish()
    _show(loop_tables.render(found), (), [report])


def made_world(
    file: Annotated[Path, typer.Argument(help="Parquet file to write")],
    people: Annotated[int, typer.Option(min=10)] = 20_000,
    days: Annotated[int, typer.Option(min=1)] = 3,
    seed: Annotated[int, typer.Option(min=0)] = 7,
) -> None:
    """Write the likes of a made world of people, with no bot in it: a stream to lay attacks over.

    Example: `truelike evaluate world world.parquet --seed 3 && truelike evaluate detection world.parquet`
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from truelike.evaluation import made_world as worlds
    from truelike.evaluation.feeding import as_batch

    likes = worlds.made_world(worlds.World(people=people, days=days), seed)
    batch = as_batch(likes).select(["event_id", "actor_id", "target_id", "creator_id", "occurred_at"])
    times = batch.column("occurred_at").cast(pa.timestamp("ms", "UTC"))
    batch = batch.set_column(4, pa.field("occurred_at", times.type), times)
    with told(), output(file) as written:
        pq.write_table(pa.Table.from_batches([batch]), written.file)
        written.publish()
    out.print(f"{len(likes):,} likes in {file}", highlight=False, soft_wrap=True)


def _chosen(option: str, said: str, known: Iterable[str]) -> tuple[str, ...]:
    """Names from a list of them. Raises WrongUse."""
    names = tuple(known)
    if said in ("all", "none"):
        return names if said == "all" else ()
    chosen = tuple(name.strip() for name in said.split(",") if name.strip())
    for name in chosen:
        if name not in names:
            raise WrongUse(f"{option} knows no {name}: {', '.join(names)}, all or none")
    return chosen


def _written(
    folder: Path, measure: Callable[[], dict[str, Any]], draw: Callable[[dict[str, Any], Path], list[Path]]
) -> tuple[dict[str, Any], list[Path]]:
    """The report, and where it and its pictures are; none of them is there unless all are."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".evaluation-", dir=folder) as name:
        made = Path(name)
        report = measure()
        found = [made / "report.json", *draw(report, made)]
        found[0].write_text(json.dumps(report, indent=2) + "\n")
        for path in found:
            os.replace(path, folder / path.name)
    return report, [folder / path.name for path in found]


def _show(tables: Iterable[Any], left_out: Iterable[str], written: list[Path]) -> None:
    for table in tables:
        out.print(table)
    for left in left_out:
        out.print(f"left out: {left}", highlight=False)
    out.print(", ".join(map(str, written)), highlight=False, soft_wrap=True)
