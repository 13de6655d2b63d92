"""What every command that reads a file asks for, and what all say at the end."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from shared.events import rfc3339
from truelike.cli.atomic_output import output, require_apart
from truelike.cli.output import err, fail, out
from truelike.files import formats
from truelike.files.content import UnreadableFile, WrongUse
from truelike.files.options import KINDS, ReadOptions, parse_delimiter, parse_mapping, parse_zone
from truelike.files.reading import Advance, opened_all
from truelike.files.result import Result
from truelike.files.spool import Spool

NOTHING_ACCEPTED: Final = 1
TOO_MANY_REJECTED: Final = 3
_MOST_REASONS: Final = 10
_PANEL: Final = "How the file is read"

File = Annotated[Path, typer.Argument(help="CSV, JSON or Parquet, compressed or not; told by content, not by name")]


@dataclass(frozen=True)
class Reading:
    """How a file is read and what of it may be refused (a share)."""

    options: ReadOptions
    tolerate: float
    rejected: Path | None

    def code(self, result: Result) -> int:
        """The exit code that a file read so has."""
        if not result.accepted:
            return NOTHING_ACCEPTED
        return TOO_MANY_REJECTED if result.mistakes > self.tolerate * result.rows else 0


def _option(*names: str, **more: Any) -> Any:
    return typer.Option(*names, rich_help_panel=_PANEL, **more)


def _reading(
    mapping: Annotated[
        list[str] | None,
        _option("--map", help="field=column, or a path into it: actor_id=user, target_id=record.subject.uri; repeat"),
    ] = None,
    sql: Annotated[
        str | None, _option(help='"select user as actor_id, song as target_id, ... from file" (DuckDB\'s SQL)')
    ] = None,
    form: Annotated[
        str | None, _option("--format", help=f"{', '.join(KINDS)}, or columns of {', '.join(formats.BY_NAME)}")
    ] = None,
    columns: Annotated[
        str | None, _option(help="Names of a CSV file's columns, where no header has them: a,b,c")
    ] = None,
    delimiter: Annotated[str | None, _option(help="Of a CSV file's columns; tab for a tab")] = None,
    encoding: Annotated[str | None, _option(help="Of a text: utf-8, utf-16, cp1252 and so on")] = None,
    timezone: Annotated[
        str | None, _option(help="Where the clock stood for times that name no zone: Europe/Berlin, +02:00, UTC")
    ] = None,
    tolerate: Annotated[
        float, _option(help="Share of rows that may be rejected before the exit code is 3", min=0, max=1)
    ] = 0.01,
    rejected: Annotated[Path | None, _option(help="Write rejected rows with their reasons here, JSON lines")] = None,
) -> Reading:
    return Reading(
        ReadOptions(
            parse_mapping(mapping or []),
            form,
            parse_delimiter(delimiter) if delimiter is not None else None,
            encoding,
            tuple(name.strip() for name in columns.split(",")) if columns is not None else (),
            parse_zone(timezone) if timezone is not None else None,
            sql,
        ),
        tolerate,
        rejected,
    )


def reads_a_file(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options above; it takes them as `reading`."""
    own = inspect.signature(command, eval_str=True)
    shared = inspect.signature(_reading, eval_str=True).parameters
    assert not set(shared) & set(own.parameters)

    @functools.wraps(command)
    def run(**values: Any) -> None:
        given = {name: values.pop(name) for name in shared}
        with told():
            command(**values, reading=_reading(**given))

    parameters = [p for p in own.parameters.values() if p.name != "reading"] + list(shared.values())
    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


@contextmanager
def told() -> Iterator[None]:
    """What is wrong with a file or an option ends the command with one sentence."""
    try:
        yield
    except WrongUse as error:
        raise fail(str(error)) from None
    except UnreadableFile as error:
        raise fail(str(error), NOTHING_ACCEPTED) from None
    except OSError as error:
        raise fail(f"{error.filename or 'a file'}: {error.strerror or error}") from None


@contextmanager
def bars() -> Iterator[Callable[[str], Advance]]:
    """Progress, one bar after another: give it a name, get what moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:

        def start(what: str) -> Advance:
            task = bar.add_task(what, total=None)
            return lambda done, total: bar.update(task, completed=done, total=total)

        yield start


@contextmanager
def likes_of(
    file: Path, reading: Reading, result: Result, outputs: dict[str, Path | None], advance: Advance
) -> Iterator[Spool]:
    """The file's likes, once it is sure that no output is the file. Rejected rows are written where they were wanted,
    whatever becomes of the others. Raises UnreadableFile and OSError.
    """
    with likes_of_all([file], reading, result, outputs, advance) as spool:
        yield spool


@contextmanager
def likes_of_all(
    paths: Sequence[Path], reading: Reading, result: Result, outputs: dict[str, Path | None], advance: Advance
) -> Iterator[Spool]:
    """The same of several files together."""
    names = {f"the file that is read, {path}" if len(paths) > 1 else "the file that is read": path for path in paths}
    require_apart(names, {**outputs, "--rejected": reading.rejected})
    if reading.rejected is None:
        with opened_all(paths, reading.options, result, advance) as spool:
            yield spool
        return
    with output(reading.rejected) as rejected:
        result.sink = rejected.file
        try:
            with opened_all(paths, reading.options, result, advance) as spool:
                yield spool
        except typer.Exit:
            rejected.publish()
            raise
        rejected.publish()


def close(result: Result, what: str = "likes") -> None:
    """The summary, on stdout."""
    counts = {
        "accepted": result.accepted,
        "rejected": result.rejections,
        "duplicates": result.duplicates,
        "ignored": result.ignorations,
        "late": result.late,
    }
    said = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    out.print(f"{result.rows:,} rows: {said}", highlight=False, soft_wrap=True)
    if not result.rows:
        out.print(f"no {what} in it", highlight=False)
    for what, reasons in (("rejected", result.rejected), ("ignored", result.ignored)):
        for reason in sorted(reasons.values(), key=lambda r: -r.count)[:_MOST_REASONS]:
            line = f"  {what} {reason.count:,}: {reason.said} (first rows: {', '.join(reason.examples)})"
            out.print(line, highlight=False, markup=False, soft_wrap=True)
    for note in _notes(result):
        out.print(note, highlight=False, markup=False, soft_wrap=True)


def _notes(result: Result) -> Iterator[str]:
    if result.times:
        yield "times: " + ", ".join(f"{count:,} in {form}" for form, count in result.times.most_common())
    if result.first_ms is not None and result.last_ms is not None:
        yield f"likes from {rfc3339(result.first_ms)} to {rfc3339(result.last_ms)}"
    if result.notes:
        yield "; ".join(result.notes)
