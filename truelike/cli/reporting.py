"""`truelike report`: what was found, to look at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from shared.events import rfc3339
from truelike.cli.atomic_output import output, require_apart
from truelike.cli.judged_files import are_exported, taken_at_their_word
from truelike.cli.output import err, out
from truelike.cli.reading import NOTHING_ACCEPTED, Reading, bars, close, likes_of_all, reads_a_file
from truelike.files.content import WrongUse
from truelike.files.result import Result

_BY_DETECTOR: Final = "by the detector, with this file's likes alone"
_BY_EXPORTER: Final = "already, by whoever exported the file; the latest revision of each like"
_OF_PEOPLE: Final = "Whose choice it was is of likes labelled human, each in full."


@reads_a_file
def report(
    reading: Reading,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="Likes: CSV, JSON or Parquet, compressed or not; or the exporter's"),
    ] = None,
    exposures: Annotated[
        Path | None, typer.Option(help="What was shown and withheld: slates as in docs/choice.md, JSON lines")
    ] = None,
    out_file: Annotated[Path, typer.Option("--out", help="The report, HTML")] = Path("report.html"),
    url: Annotated[str | None, typer.Option(help="Of a running stack instead of files: the console's address")] = None,
) -> None:
    """One HTML page for those who would rather look than read: charts side by side, who likes what, the loop,
    languages, whose choice it was, and what is not known. It needs no network to be read.

    Of files it needs no broker: likes go through the detector first; the exporter's Parquet (docs/feed.md) is taken at
    its word, unless --map, --sql or --format say how to read it. A stack that asks for a token finds it in ACCESS_TOKEN
    or ACCESS_TOKEN_FILE. Exits 1 if no like was accepted (then nothing is written), 3 if more than --tolerate was
    rejected.

    Example: `truelike report likes.jsonl --exposures exposures.jsonl --out report.html`

    Example: `truelike report --url http://127.0.0.1:8080 --out report.html`
    """
    if (url is None) == (not files):
        raise WrongUse("name files of likes, or a running stack with --url http://127.0.0.1:8080; one of the two")
    if url is not None:
        if exposures is not None:
            raise WrongUse("--exposures goes with files: a running stack reads exposures.v1 itself")
        _of_stack(url, out_file)
        return
    assert files is not None
    result, slates = Result(), Result()
    page = _of_files(files, exposures, reading, result, slates, out_file)
    if page is not None:
        _write(page, out_file)
    close(result)
    if exposures is not None:
        out.print(f"{exposures}:", highlight=False, soft_wrap=True)
        close(slates, "slates")
    codes = [reading.code(result), reading.code(slates) if exposures is not None and slates.rows else 0]
    raise typer.Exit(NOTHING_ACCEPTED if NOTHING_ACCEPTED in codes else max(codes))


def _of_stack(url: str, out_file: Path) -> None:
    from truelike.cli.stack import authorization
    from truelike.report import from_api
    from truelike.report.page import html_of

    require_apart({}, {"--out": out_file})
    with err.status(f"reading {url}"):
        documents = from_api.fetch(url.rstrip("/"), authorization())
    _write(html_of(documents), out_file)


def _write(page: str, out_file: Path) -> None:
    with output(out_file) as written:
        written.file.write(page.encode())
        written.publish()
    out.print(f"report in {out_file}", highlight=False, soft_wrap=True)


def _of_files(
    files: list[Path], exposures: Path | None, reading: Reading, result: Result, slates: Result, out_file: Path
) -> str | None:
    """None where no like was accepted."""
    from truelike.cli import choice_report
    from truelike.report import from_files
    from truelike.report.documents import About, Documents
    from truelike.report.page import html_of

    places = {"--out": out_file, "--rejected": reading.rejected}
    if exposures is not None:
        require_apart({"the exposures": exposures}, places)
        if not exposures.exists():
            # Said before the likes are judged, not after.
            raise WrongUse(f"--exposures {exposures}: no such file")
    exported = are_exported(files, reading)
    with bars() as bar:
        if exported:
            require_apart({str(path): path for path in files}, places)
            likes = taken_at_their_word(files, result, bar("reading"))
            task, _ = from_files.counted(from_files.in_frames(likes), likes.num_rows)
        else:
            with likes_of_all(files, reading, result, {"--out": out_file}, bar("reading")) as spool:
                task, trusted = from_files.counted(from_files.judged(spool, result, bar("judging")), spool.rows)
            likes = from_files.latest(trusted)
        if not result.accepted:
            return None
        choice = choice_report.of_people(likes, exposures, slates, bar)
    times = likes.column("occurred_at").to_numpy()
    about = About(
        ", ".join(path.name for path in files),
        _BY_EXPORTER if exported else _BY_DETECTOR,
        rfc3339(int(times[0])),
        rfc3339(int(times[-1])),
        from_files.labels_of(likes),
        (_OF_PEOPLE,),
    )
    charts, loop = from_files.charts_of(task), from_files.loop_of(task)
    return html_of(Documents(about, charts, loop, _as_json(choice)))


def _as_json(document: Any) -> Any:
    return json.loads(json.dumps(document))
