"""`truelike contracts`: the AsyncAPI document and the JSON Schemas as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from shared import contracts
from truelike.cli.output import fail

OURS: Final = ("asyncapi.json", "schemas/*.json")


def not_current(folder: Path) -> dict[str, str]:
    """What is wrong, by path below the folder, with files that are not as they should be. Raises OSError."""
    wanted = contracts.files()
    there = {path.relative_to(folder).as_posix(): path for form in OURS for path in folder.glob(form)}
    wrong = dict.fromkeys(sorted(there.keys() - wanted.keys()), "no topic has it")
    for path, text in wanted.items():
        if path not in there:
            wrong[path] = "missing"
        elif there[path].read_bytes() != text.encode():
            wrong[path] = "not current"
    return wrong


def write_or_check(
    folder: Annotated[Path, typer.Option("--out", help="Where they go")] = Path("docs/contracts"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 and name the files that are not current")
    ] = False,
) -> None:
    """Write what every topic carries for tools to read: asyncapi.json, and schemas/TOPIC.json of public messages.

    Example: `truelike contracts --out contracts`
    """
    try:
        if check:
            wrong = not_current(folder)
            for path, what in wrong.items():
                print(f"{path}: {what}")
            raise typer.Exit(1 if wrong else 0)
        for path, text in contracts.files().items():
            _write(folder / path, text)
    except OSError as error:
        raise fail(f"--out {folder}: {error.strerror}: {error.filename}") from None
    print(f"{len(contracts.files())} files in {folder}")


def _write(path: Path, text: str) -> None:
    """Beside and renamed: a reader never finds half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f"{path.name}.tmp")
    written.write_text(text, encoding="utf-8")
    written.replace(path)
