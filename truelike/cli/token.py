"""`truelike token`: who may call the HTTP interfaces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from shared import access_tokens
from truelike.cli.output import fail, out

app = typer.Typer(no_args_is_help=True, help="Tokens that HTTP callers show.")

TokensFile = Annotated[Path, typer.Option("--file", envvar="ACCESS_TOKENS_FILE", help="The services' file of tokens")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Who gets it, e.g. web-backend; one token a name")],
    file: TokensFile,
    scope: Annotated[list[str], typer.Option(help=f"{', '.join(access_tokens.SCOPES)}, user:ID; repeat for several")],
    rate: Annotated[
        float, typer.Option(help="Requests a second; likes a second where likes are written", min=0.1)
    ] = 50,
    into: Annotated[
        Path | None, typer.Option(help="Write the token to this file (mode 600) instead of printing it")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Do nothing if the name has a token already")] = False,
) -> None:
    """Make a token and add its hash to the file. The token itself is shown once. Services read the file at their start.

    Example: `truelike token add web-backend --scope likes:write --rate 5000 --file access/tokens.json`
    """
    for one in scope:
        try:
            access_tokens.granted(one)
        except ValueError as error:
            raise fail(f"--scope {_shown(one)}: {error}") from None
    try:
        if once and file.exists() and any(token.name == name for token in access_tokens.load(file)):
            return
        token = access_tokens.add(file, name, frozenset(scope), rate)
        if into is not None:
            into.touch(0o600)
            into.write_text(token + "\n")
    except (ValueError, OSError) as error:
        raise fail(str(error)) from None
    print(f"the token is in {into}" if into is not None else token)


@app.command("list")
def list_tokens(file: TokensFile) -> None:
    """Names, scopes and rates.

    Example: `truelike token list --file access/tokens.json`
    """
    try:
        tokens = access_tokens.load(file)
    except ValueError as error:
        raise fail(str(error)) from None
    table = Table("name", "scopes", "rate a second")
    for token in tokens:
        table.add_row(token.name, Text(", ".join(map(_shown, sorted(token.scopes)))), f"{token.rate:,g}")
    out.print(table)


def _shown(scope: str) -> str:
    """As it is, or quoted where an id in it could pass for another scope, or command a terminal."""
    return scope if scope.isprintable() and " " not in scope else repr(scope)
